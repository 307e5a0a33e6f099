//! A whole cluster on one machine, playing the story of two hosts: the command line, and the way into a world of
//! its own. The cluster is built in `cluster`, the story told in `story`; nothing of the daemon is decided here.

mod client;
mod cluster;
mod dongle;
mod error;
mod evidence;
mod expected;
mod files;
mod log_lines;
mod report;
mod root;
mod serial;
mod story;
mod web;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use heartline_lab::{board, missing, missing_for_boards, world};
use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use cluster::Cluster;
use error::DemoError;
use files::Pace;
use story::Story;
use web::WebServer;

/// What the demo is to show.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Play the whole story with this method in authkeys [default: the story with crc, then its start and a
    /// takeover with sha1].
    #[arg(long, value_enum, value_name = "METHOD")]
    auth: Option<Method>,
    /// Take the intervals of the articles about the original: keepalive 2, deadtime 60, warntime 10, initdead 120.
    /// The story then takes six minutes and more.
    #[arg(long)]
    article_times: bool,
    /// Leave the cluster up after the story, and tell how to get into it; Ctrl-C takes it down.
    #[arg(long)]
    keep: bool,
    /// Put the witness into the null-modem cable: its firmware on a board that QEMU emulates. The story then ends with a
    /// total partition, of which one host survives.
    #[arg(long)]
    dongle: bool,
    /// Which web server is moved about.
    #[arg(long, value_enum, value_name = "SERVER", default_value_t = WebChoice::Auto)]
    web: WebChoice,
    /// Play, inside the world that the lab has made.
    #[arg(long, hide = true)]
    inside: bool,
}

/// The methods of `authkeys` that the demo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Integrity only, for cables that nobody else can reach.
    Crc,
    /// HMAC-SHA1 with a shared secret.
    Sha1,
}

/// Which web server the demo takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WebChoice {
    /// Debian's apache2 where it can run, else the built-in one.
    Auto,
    /// Debian's apache2.
    Apache2,
    /// The built-in one.
    BuiltIn,
}

/// Plays the demo. Succeeds only if every step went as it should.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let outcome = if options.inside { play(options) } else { enter(options) };
    outcome.unwrap_or_else(|error| {
        eprintln!("heartline demo: {error}");
        ExitCode::FAILURE
    })
}

/// Outside: runs this program again in a world of its own, which ends with it.
fn enter(options: &Options) -> Result<ExitCode, DemoError> {
    let mut missing = missing();
    if options.dongle {
        if options.auth == Some(Method::Crc) {
            return Err(DemoError::OpenKeys);
        }
        missing.extend(missing_for_boards());
    }
    if !missing.is_empty() {
        return Err(DemoError::Missing(missing));
    }
    if options.dongle {
        board::firmware()?;
    }
    let program = std::env::current_exe().map_err(DemoError::io("find the path of this program"))?;
    let status = world::enter(&program, &options.words_inside())?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    // What a shell gives for a program that Ctrl-C has ended.
    if code == Some(130) {
        eprintln!("\nInterrupted. The cluster is taken down, nothing is left behind.");
    }
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Inside: builds the cluster and tells the story.
fn play(options: &Options) -> Result<ExitCode, DemoError> {
    // Process 1 of the world has blocked what it waits for; every daemon of the cluster would inherit that from here.
    SigSet::all().thread_unblock().map_err(|error| DemoError::io("unblock signals")(error.into()))?;
    let pace = if options.article_times { Pace::Article } else { Pace::Short };
    let web = WebServer::choose(options.web)?;
    // Before the world gets another root directory, which may name it otherwise.
    let firmware = if options.dongle { Some(board::firmware()?) } else { None };
    // A witness takes no keys that are no secret.
    let usual = if options.dongle { Method::Sha1 } else { Method::Crc };
    let cluster = Cluster::build(pace, options.auth.unwrap_or(usual), web, firmware.as_deref())?;
    let mut story = Story::new(cluster)?;
    let held = story.tell(options.auth.is_none() && !options.dongle)?;
    if options.keep {
        story.explain()?;
        wait_for_the_end()?;
        println!("\nTaken down.");
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wait_for_the_end() -> Result<(), DemoError> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(DemoError::io("wait for a signal"))?;
    signals.forever().next();
    Ok(())
}

impl Options {
    /// The command line that says the same inside.
    fn words_inside(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["demo".into(), "--inside".into()];
        let mut flag = |given: bool, word: &str| {
            if given {
                words.push(word.into());
            }
        };
        flag(self.article_times, "--article-times");
        flag(self.keep, "--keep");
        flag(self.dongle, "--dongle");
        if let Some(value) = self.auth.and_then(|method| method.to_possible_value()) {
            words.extend(["--auth".into(), value.get_name().into()]);
        }
        if let Some(value) = self.web.to_possible_value() {
            words.extend(["--web".into(), value.get_name().into()]);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_inside_is_told_all_that_the_outside_was() {
        for line in [
            &["demo"][..],
            &["demo", "--auth", "sha1", "--keep"],
            &["demo", "--dongle"],
            &["demo", "--article-times", "--web", "built-in", "--auth", "crc"],
        ] {
            let outside = Line::try_parse_from(line).unwrap().options;
            let inside = Line::try_parse_from(outside.words_inside()).unwrap().options;
            assert!(inside.inside && !outside.inside);
            assert_eq!(format!("{:?}", Options { inside: false, ..inside }), format!("{outside:?}"));
        }
    }
}
