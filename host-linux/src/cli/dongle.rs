//! `heartline dongle`: the witness in the null-modem cable. What it did comes from the daemon; its keys go over its serial
//! line, which the daemon must not use meanwhile.

mod wiring;

use std::fmt::Write as _;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, Subcommand};
use heartline_core::ids::NodeId;
use heartline_core::provision::{
    Answer, DEFAULT_BAUD, Provision, ProvisionError, Request as Frame, WITNESS_KEYS,
};
use heartline_core::seal::KeyRing;
use heartline_core::witness::HOSTS;

use self::wiring::{Ends, Pull, Sense};
use super::Output;
use super::places::Places;
use super::status::{Palette, render_deeds, render_witness};
use super::transfer::unanswered;
use crate::clock;
use crate::config::{self, AuthMethod, Configuration, KeyFile, RealSystem, Severity, Witness, diagnostics};
use crate::control::{self, Client, Request};
use crate::daemon::key_ring;
use crate::durable::RunningDaemon;
use crate::log::time_stamp;
use crate::media::witness_line::WitnessLine;

/// How long one question waits for its answer: many times what both need on a slow line.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often it is asked at each speed: noise may hit a question.
const QUESTIONS: u32 = 2;
/// How often it is asked whether it is back with its keys.
const QUESTIONS_AFTER: u32 = 8;
const STATUS_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
pub(super) enum Dongle {
    /// Give the witness its keys and settings: those of authkeys and ha.cf.
    ///
    /// It takes the first ones from whoever holds its cable, and later ones only with a key that it has. Asks before it
    /// writes. Exits with 0 when the witness has them.
    Provision(Provisioning),
    /// Ask the witness over its line who it is.
    ///
    /// Exits with 0 if it answers, else with 1.
    Ask(Line),
    /// Show the witness as the daemon knows it.
    Show {
        /// Print all that is known of it as one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show what the witness did last, and why, as far as it has told the daemon.
    Journal,
}

/// Where the witness is.
#[derive(Debug, Args)]
pub(super) struct Line {
    /// The serial device [default: that of `witness` in ha.cf].
    #[arg(long)]
    device: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Provisioning {
    #[command(flatten)]
    line: Line,
    /// How long a reset line is pulled, in the times of ha.cf; 0 where none is wired. Two with a comma between them: side
    /// A, side B.
    #[arg(long, default_value = "500ms", value_name = "TIME[,TIME]")]
    reset: Ends<Pull>,
    /// What the power sense tells: `none` (it is not wired), `power` (whether there is power), `read-back` (also that the
    /// pulled line takes it). Two with a comma between them: side A, side B.
    #[arg(long, default_value = "none", value_name = "WHAT[,WHAT]")]
    sense: Ends<Sense>,
    /// The keys that the witness has, where these are not those of authkeys: the former authkeys.
    #[arg(long, value_name = "FILE")]
    old_keys: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// What is to be said when it does not work; each ends with its remedy.
type Failure = Output;

pub(super) fn run(what: &Dongle, places: &Places) -> Output {
    let outcome = match what {
        Dongle::Provision(wanted) => provision(wanted, places),
        Dongle::Ask(line) => ask(line, places),
        Dongle::Show { json } => show(*json, places),
        Dongle::Journal => known_witness(places).map(|witness| Output::good(render_deeds(&witness))),
    };
    outcome.unwrap_or_else(|failure| failure)
}

fn fail(text: impl Into<String>) -> Failure {
    Output::bad(1, text.into() + "\n")
}

fn known_witness(places: &Places) -> Result<control::snapshot::Witness, Failure> {
    let client = Client::connect(&places.control_socket(), Some(STATUS_LIMIT));
    let answer = client
        .and_then(|mut client| client.ask(&Request::Status, |_| {}))
        .map_err(|error| unanswered(&error))?;
    let snapshot = answer.snapshot.ok_or_else(|| fail(answer.outcome.message))?;
    snapshot.witness.ok_or_else(|| fail(NO_WITNESS))
}

const NO_WITNESS: &str = "ha.cf names no witness. Add `witness NAME serial DEVICE`.";

fn show(json: bool, places: &Places) -> Result<Output, Failure> {
    let witness = known_witness(places)?;
    if !json {
        return Ok(Output::good(render_witness(&witness, Palette::for_stream(&io::stdout()))));
    }
    let text = serde_json::to_string_pretty(&witness)
        .map_err(|error| fail(format!("The witness cannot be written as JSON: {error}")))?;
    Ok(Output::good(text + "\n"))
}

/// The configuration, if it is without errors and names a witness.
fn configuration(places: &Places) -> Result<(Configuration, Witness), Failure> {
    let loaded = config::load(&places.config_dir, &RealSystem);
    let Some(configuration) = loaded.configuration else {
        let errors: Vec<_> =
            loaded.diagnostics.into_iter().filter(|it| it.severity == Severity::Error).collect();
        let palette = Palette::for_stream(&io::stderr());
        return Err(Output::bad(6, diagnostics::render(&errors, palette == Palette::Colour)));
    };
    let witness = configuration.witness.clone().ok_or_else(|| fail(NO_WITNESS))?;
    Ok((configuration, witness))
}

fn ask(line: &Line, places: &Places) -> Result<Output, Failure> {
    let (configuration, witness) = configuration(places)?;
    let device = line.device.as_ref().unwrap_or(&witness.device);
    let Found { answer, baud, .. } = find(device, speed(&configuration, device), places)?;
    Ok(Output::good(format!("{} It speaks at {baud} baud.\n", introduced(&answer, device, &configuration))))
}

fn speed(configuration: &Configuration, device: &Path) -> u32 {
    let of_device = |medium: &config::Medium| match medium {
        config::Medium::Serial { device: known, baud } if known == device => Some(*baud),
        _ => None,
    };
    configuration.media.iter().find_map(of_device).unwrap_or(DEFAULT_BAUD)
}

/// A witness that has answered.
struct Found {
    line: WitnessLine,
    baud: u32,
    answer: Answer,
}

/// Asks at the speed of `ha.cf` first, then at that of a witness without settings, then at all others.
fn find(device: &Path, usual: u32, places: &Places) -> Result<Found, Failure> {
    if let Ok(Some(daemon)) = RunningDaemon::find(&places.run_dir) {
        return Err(fail(format!(
            "The daemon runs [pid {}] and uses the line to the witness: `heartline dongle show` tells what it knows. To speak \
             to the witness yourself, stop the daemon: `heartline maintenance on`, then `heartbeat -k`; the services go on \
             meanwhile.",
            daemon.pid
        )));
    }
    let mut speeds = vec![usual, DEFAULT_BAUD];
    speeds.extend(config::BAUD_RATES);
    let mut asked = Vec::new();
    for baud in speeds {
        if asked.contains(&baud) {
            continue;
        }
        asked.push(baud);
        let mut line = WitnessLine::open(device, baud).map_err(|error| cannot_open(device, &error))?;
        if let Some(answer) = answered(&mut line, device, QUESTIONS)? {
            return Ok(Found { line, baud, answer });
        }
    }
    Err(fail(format!(
        "No witness answers at {}, at any speed. See that it has power, that the cable crosses the wires (null modem), and \
         that this is the right device (`heartline serial-test` tries a plain cable).",
        device.display()
    )))
}

fn answered(line: &mut WitnessLine, device: &Path, questions: u32) -> Result<Option<Answer>, Failure> {
    let frame = Frame::ask().map_err(|error| fail(error.to_string()))?;
    for _ in 0..questions {
        match line.ask(&frame, PATIENCE) {
            Ok(Some(answer)) => return Ok(Some(answer)),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => return Err(fail(format!("{} failed: {error}.", device.display()))),
        }
    }
    Ok(None)
}

fn cannot_open(device: &Path, error: &io::Error) -> Failure {
    let device = device.display();
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "Run this as root.",
        ErrorKind::NotFound => "See `ls /dev/serial/by-path /dev/ttyS* /dev/ttyUSB*`.",
        _ => "End the program that uses it (`fuser DEVICE` names it), or choose another device.",
    };
    fail(format!("Cannot open {device}: {error}. {remedy}"))
}

/// Who the witness says that it is, under the names of the configuration.
fn introduced(answer: &Answer, device: &Path, configuration: &Configuration) -> String {
    let [major, minor, patch] = answer.firmware.version;
    let what = format!("The witness at {} has firmware {major}.{minor}.{patch}", device.display());
    let Some((own, hosts)) = answer.names else {
        return format!("{what} and no keys yet: it bridges nothing before `heartline dongle provision`.");
    };
    let name = |id: NodeId| {
        let known = configuration.members().find(|name| NodeId::of(name) == id);
        let [high, low] = id.0;
        known.map_or_else(|| format!("(unknown, {high:02x}{low:02x})"), str::to_owned)
    };
    let given = time_stamp(UNIX_EPOCH + Duration::from_secs(answer.firmware.provision.into()));
    format!("{what} and is {} of {} and {}, since {given}.", name(own), name(hosts[0]), name(hosts[1]))
}

fn provision(wanted: &Provisioning, places: &Places) -> Result<Output, Failure> {
    let (configuration, witness) = configuration(places)?;
    let device = wanted.line.device.as_ref().unwrap_or(&witness.device).clone();
    refuse_open_keys(&configuration)?;
    let keys = ring(&configuration.keys)?;
    let Found { mut line, answer, .. } = find(&device, speed(&configuration, &device), places)?;
    let former = match &wanted.old_keys {
        Some(path) => read_keys(path)?,
        None => configuration.keys.clone(),
    };
    let settings = settings(wanted, &configuration, &witness, &device, &answer)?;
    // Before anybody is asked: whether it could be written at all.
    Frame::give(&settings, &keys, None).map_err(|error| refused(error, &device))?;
    if !wanted.yes && !confirmed(&plan(&answer, &device, &configuration, &settings, wanted))? {
        return Err(fail("Nothing was written."));
    }
    let signers = if answer.names.is_none() { vec![None] } else { signers(&former)? };
    let mut outcome = None;
    for old in &signers {
        let frame = Frame::give(&settings, &keys, old.as_ref()).map_err(|error| refused(error, &device))?;
        let given = line
            .ask(&frame, PATIENCE)
            .map_err(|error| fail(format!("{} failed: {error}. Try again.", device.display())))?;
        outcome = given.and_then(|answer| answer.outcome);
        if outcome != Some(Err(ProvisionError::NotAuthentic)) {
            break;
        }
    }
    // Without an answer, whether it has them shows when it is asked who it is.
    if let Some(Err(error)) = outcome {
        return Err(refused(error, &device));
    }
    drop(line);
    let mut line = WitnessLine::open(&device, settings.baud).map_err(|error| cannot_open(&device, &error))?;
    for _ in 0..QUESTIONS_AFTER {
        let back = answered(&mut line, &device, 1)?;
        if back.is_some_and(|answer| answer.firmware.provision == settings.count) {
            return Ok(Output::good(format!(
                "{} has its keys and settings, and works with them. Start the daemon here (`heartbeat`).\n",
                witness.name
            )));
        }
    }
    Err(fail(format!(
        "The witness was given its keys and settings, and does not say at {} baud that it has them. Reset it, then look with \
         `heartline dongle ask`; nothing is lost by giving them once more.",
        settings.baud
    )))
}

/// Who has no secret to know could have both hosts reset.
fn refuse_open_keys(configuration: &Configuration) -> Result<(), Failure> {
    let open = configuration.keys.keys.iter().find(|key| key.method == AuthMethod::Crc);
    open.map_or(Ok(()), |key| {
        Err(fail(format!(
            "Key {} in authkeys is `crc`, which is no secret: anybody could have both hosts reset. Write `sha256` and a secret \
             into authkeys on both nodes.",
            key.number
        )))
    })
}

/// Each of these keys as the one that signs, first that which does: the witness may have only some of them.
fn signers(file: &KeyFile) -> Result<Vec<Option<KeyRing>>, Failure> {
    let others = file.keys.iter().map(|key| key.number).filter(|number| *number != file.signing);
    let signing = std::iter::once(file.signing).chain(others);
    signing.map(|signing| ring(&KeyFile { signing, ..file.clone() }).map(Some)).collect()
}

fn ring(file: &KeyFile) -> Result<KeyRing, Failure> {
    key_ring(file).map_err(|error| fail(format!("authkeys: {error}.")))
}

fn read_keys(path: &Path) -> Result<KeyFile, Failure> {
    let (keys, found) = config::load_keys(path, &RealSystem);
    let palette = Palette::for_stream(&io::stderr());
    keys.ok_or_else(|| Output::bad(6, diagnostics::render(&found, palette == Palette::Colour)))
}

fn settings(
    wanted: &Provisioning,
    configuration: &Configuration,
    witness: &Witness,
    device: &Path,
    answer: &Answer,
) -> Result<Provision, Failure> {
    let nodes: Vec<NodeId> = configuration.nodes.iter().map(|node| NodeId::of(node)).collect();
    let hosts = <[NodeId; HOSTS]>::try_from(nodes).map_err(|_| fail("A witness is for two nodes."))?;
    let span = |time: Duration| {
        heartline_core::time::Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    };
    let since = clock::wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = u32::try_from(since).unwrap_or(u32::MAX);
    Ok(Provision {
        // A clock that was set back is no reason to refuse.
        count: now.max(answer.firmware.provision.saturating_add(1)),
        cluster: configuration
            .cluster
            .as_str()
            .try_into()
            .map_err(|_| fail("The cluster's name is too long."))?,
        witness: NodeId::of(&witness.name),
        hosts,
        keepalive: span(configuration.times.keepalive),
        deadtime: span(configuration.times.deadtime),
        baud: speed(configuration, device),
        wiring: wiring::of(&wanted.reset, &wanted.sense),
    })
}

/// What is about to be written, for whoever is to agree.
fn plan(
    answer: &Answer,
    device: &Path,
    configuration: &Configuration,
    settings: &Provision,
    wanted: &Provisioning,
) -> String {
    let mut text = introduced(answer, device, configuration) + "\n";
    let numbers: Vec<String> = configuration.keys.keys.iter().map(|key| key.number.to_string()).collect();
    let name = configuration.witness.as_ref().map_or("", |witness| &witness.name);
    let _ = writeln!(
        text,
        "It is to be {name} of {} in cluster {}, with the keys {} of {}, a heartbeat every {} ms, and {} baud.",
        configuration.nodes.join(" and "),
        configuration.cluster,
        numbers.join(", "),
        configuration.directory.join("authkeys").display(),
        settings.keepalive.millis(),
        settings.baud,
    );
    text + &wiring::words(&wanted.reset, &wanted.sense)
}

fn confirmed(plan: &str) -> Result<bool, Failure> {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(plan.as_bytes());
    if !io::stdin().is_terminal() {
        return Err(fail(
            "Nobody can be asked here, since this is no terminal. If this is right, add --yes. Nothing was written.",
        ));
    }
    let _ = stderr.write_all(b"Write this into the witness? [y/N] ");
    let _ = stderr.flush();
    Ok(agrees(&mut io::stdin().lock()))
}

fn agrees(answers: &mut impl BufRead) -> bool {
    let mut line = String::new();
    let agreed = answers.read_line(&mut line).is_ok();
    agreed && ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str())
}

/// Why it was not done, and what to do.
fn refused(error: ProvisionError, device: &Path) -> Failure {
    let remedy = match error {
        ProvisionError::TooManyKeys => {
            format!("Leave {WITNESS_KEYS} keys in authkeys: those that a node signs with or will sign with.")
        }
        ProvisionError::TooLong => "Make the secrets in authkeys shorter.".to_owned(),
        ProvisionError::NotAuthentic => "It has other keys: give them with `--old-keys FILE`, in the format of authkeys. If \
                                         nobody has them any more, erase its settings as the README of the firmware says."
            .to_owned(),
        ProvisionError::OldCount => "Set this host's clock (`date`), and try again.".to_owned(),
        ProvisionError::Unfit => "See `heartline check`: the times or names of ha.cf do not suit a witness.".to_owned(),
        ProvisionError::NotStored => "Its memory may be worn out: reset it and try again, or replace it.".to_owned(),
        ProvisionError::Malformed => {
            "Its firmware is of another version than this program: flash the one that comes with it.".to_owned()
        }
    };
    fail(format!("The witness at {} was not provisioned: {error}. {remedy}", device.display()))
}

#[cfg(test)]
mod tests;
