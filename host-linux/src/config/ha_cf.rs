//! The reader of `ha.cf`: lines to directives, and the directives that are plain values.
//! Media and programs have files of their own; what needs the whole file is in `cross_checks`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use heartline_core::limits::MAX_CLUSTER_NAME;

use super::diagnostics::Diagnostics;
use super::directives::{self, DIRECTIVES, Directive, Outcome, Treatment, WHY_NOT_PACEMAKER};
use super::model::{
    FenceDevice, Logging, Medium, Notify, OperationLimits, PingNode, Quorum, RespawnClient, StopFailure,
    Witness,
};
use super::monitoring::Monitoring;
use super::source::{Finding, Line, SourceFile, Span, Word, count, words};
use super::system::System;
use super::values::{TIME_REMEDY, closest, parse_boolean, parse_time, parse_whole};

const FACILITIES: &[&str] = &[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// What `ha.cf` says, before it is looked at as a whole. Also the state of the reader while it reads.
pub(super) struct HaCf<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) system: &'a dyn System,
    pub(super) diagnostics: &'a mut Diagnostics,
    /// This node's name in lower case.
    pub(super) this_node: &'a str,
    /// The place of the last value of each directive given, and of `ipfail` where a line asks for it.
    pub(super) given: BTreeMap<&'static str, Span>,
    /// The directives with a refused value; what follows from them is not worth a second error.
    pub(super) refused: BTreeSet<&'static str>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) cluster: String,
    pub(super) nodes: Vec<(String, Span)>,
    pub(super) witness: Option<(Witness, Span)>,
    pub(super) witness_watchdog: Option<Duration>,
    /// The witnesses that fence.
    pub(super) witness_fences: Vec<(String, Span)>,
    pub(super) keepalive: Option<Duration>,
    pub(super) deadtime: Option<Duration>,
    pub(super) warntime: Option<Duration>,
    pub(super) initdead: Option<Duration>,
    pub(super) deadping: Option<Duration>,
    pub(super) udp_port: u16,
    pub(super) baud: u32,
    pub(super) media: Vec<(Medium, Span)>,
    pub(super) pings: Vec<(PingNode, Span)>,
    pub(super) auto_failback: Option<&'static str>,
    pub(super) stop_failure: StopFailure,
    pub(super) quorum: Quorum,
    pub(super) limits: OperationLimits,
    pub(super) monitoring: Monitoring,
    pub(super) logging: Logging,
    pub(super) use_logd: Option<bool>,
    pub(super) fencing: Vec<FenceDevice>,
    pub(super) fence_delay: Duration,
    pub(super) ipfail: bool,
    pub(super) respawn: Vec<RespawnClient>,
    pub(super) notify: Vec<Notify>,
    pub(super) watchdog: Option<PathBuf>,
    pub(super) api_clients: BTreeMap<String, Span>,
    pub(super) realtime: bool,
    pub(super) priority: u8,
    pub(super) environment: Vec<(String, String)>,
}

impl<'a> HaCf<'a> {
    /// Reads the whole file; every bad line leaves an error and the reading goes on.
    pub(super) fn read(
        file: &'a SourceFile,
        this_node: &'a str,
        system: &'a dyn System,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        let udp_port = super::media::default_port(system);
        let defaults = DIRECTIVES.iter().filter_map(|it| Some((it.name.to_owned(), it.default?.to_owned())));
        let mut ha_cf = Self {
            file,
            system,
            diagnostics,
            this_node,
            given: BTreeMap::new(),
            refused: BTreeSet::new(),
            parameters: defaults.chain([("udpport".to_owned(), udp_port.to_string())]).collect(),
            cluster: "linux-ha".to_owned(),
            nodes: Vec::new(),
            witness: None,
            witness_watchdog: None,
            witness_fences: Vec::new(),
            keepalive: None,
            deadtime: None,
            warntime: None,
            initdead: None,
            deadping: None,
            udp_port,
            baud: 19200,
            media: Vec::new(),
            pings: Vec::new(),
            auto_failback: None,
            stop_failure: StopFailure::Reboot,
            quorum: Quorum::Off,
            limits: OperationLimits {
                start: Duration::from_secs(120),
                stop: Duration::from_secs(120),
                status: Duration::from_secs(30),
            },
            monitoring: Monitoring::default(),
            logging: Logging { syslog_format: true, log_badpack: true, ..Logging::default() },
            use_logd: None,
            fencing: Vec::new(),
            fence_delay: Duration::from_secs(5),
            ipfail: false,
            respawn: Vec::new(),
            notify: Vec::new(),
            watchdog: None,
            api_clients: BTreeMap::new(),
            realtime: true,
            priority: 1,
            environment: Vec::new(),
        };
        for line in &file.lines {
            ha_cf.read_line(line);
        }
        ha_cf
    }

    fn read_line(&mut self, line: &Line) {
        let Some(text) = self.file.text_before_comment(line, self.diagnostics) else { return };
        let words = words(text, line.number, 1, is_separator);
        let Some((name, values)) = words.split_first() else { return };
        let Some(directive) = directives::find(name.text) else {
            let remedy = closest(name.text, DIRECTIVES.iter().map(|directive| directive.name))
                .map_or("see `heartbeat -D` and the manual for the directives".to_owned(), |near| {
                    format!("did you mean `{near}`? names are in lower case")
                });
            self.diagnostics
                .error(self.file, name.finding(format!("unknown directive `{}`", name.text), remedy));
            return;
        };
        if let Err(finding) = self.obey(directive, *name, values, text) {
            self.refuse(directive, finding);
        }
    }

    fn obey(
        &mut self,
        directive: &'static Directive,
        name: Word<'_>,
        values: &[Word<'_>],
        text: &str,
    ) -> Outcome {
        let [first, ..] = values else { return self.without_value(directive, name) };
        self.note_repetition(directive, *first)?;
        match directive.treatment {
            Treatment::Line(handler) => {
                let argument = rest_of_line(text, name);
                self.record(directive, argument);
                handler(self, argument)
            }
            Treatment::List(handler) | Treatment::Value(handler) => {
                for word in values {
                    self.record(directive, *word);
                    if let Err(finding) = handler(self, *word) {
                        self.refuse(directive, finding);
                    }
                }
                let refused = self.refused.contains(directive.name);
                if let (Treatment::Value(_), [_, surplus, ..], false) = (directive.treatment, values, refused)
                {
                    let message =
                        format!("`{}` takes one value; the last word of the line counts", directive.name);
                    self.warn(surplus.span, message, "keep one value");
                }
                Ok(())
            }
            Treatment::SetAside(valid, because) => {
                for word in values {
                    self.record(directive, *word);
                    if let Some(expected) = valid.expected(word.text) {
                        let message = format!("bad value `{}` for `{}`", word.text, directive.name);
                        return Err(word.finding(message, format!("write {expected}, or remove the line")));
                    }
                }
                let finding = name.finding(
                    format!("`{}` is read but has no effect: {because}", directive.name),
                    "remove the line when no heartbeat node reads the file any more",
                );
                if values.last().is_some_and(|word| directive.default == Some(word.text)) {
                    self.diagnostics.info(self.file, finding);
                } else {
                    self.diagnostics.warning(self.file, finding);
                }
                Ok(())
            }
            Treatment::Refused(because, remedy) => Err(name.finding(because, remedy)),
        }
    }

    fn refuse(&mut self, directive: &'static Directive, finding: Finding) {
        self.refused.insert(directive.name);
        self.diagnostics.error(self.file, finding);
    }

    /// The original passes over such a line in silence, or crashes.
    fn without_value(&mut self, directive: &Directive, name: Word<'_>) -> Outcome {
        let message = format!("`{}` has no value", directive.name);
        match directive.treatment {
            Treatment::Refused(because, remedy) => Err(name.finding(because, remedy)),
            Treatment::Line(_) => Err(name.finding(message, format!("it takes: {}", directive.description))),
            Treatment::Value(_) | Treatment::List(_) | Treatment::SetAside(..) => {
                self.warn(name.span, message, "the line has no effect; give a value or remove it");
                Ok(())
            }
        }
    }

    fn note_repetition(&mut self, directive: &'static Directive, value: Word<'_>) -> Outcome {
        // `crm` and `pacemaker` are one directive.
        let key = if directive.name == "crm" { "pacemaker" } else { directive.name };
        let before = self.given.insert(key, value.span);
        let Some(before) = before.filter(|_| matches!(directive.treatment, Treatment::Value(_))) else {
            return Ok(());
        };
        let message = format!("`{}` is given again, before in line {}", directive.name, before.line);
        if directive.once_only() {
            return Err(value.finding(message, "keep one of the two lines"));
        }
        self.warn(value.span, message, "keep one of the two lines; the last one counts");
        Ok(())
    }

    fn record(&mut self, directive: &Directive, value: Word<'_>) {
        if !directive.is_recorded() {
            return;
        }
        let value = value.text.to_owned();
        match self.parameters.iter_mut().find(|(name, _)| name == directive.name) {
            Some(parameter) => parameter.1 = value,
            None => self.parameters.push((directive.name.to_owned(), value)),
        }
    }

    /// A warning at this place of the file.
    pub(super) fn warn(&mut self, span: Span, message: impl Into<String>, remedy: impl Into<String>) {
        self.diagnostics.warning(self.file, span.finding(message, remedy));
    }

    /// Whether a value of any of these was refused.
    pub(super) fn any_refused(&self, directives: &[&str]) -> bool {
        directives.iter().any(|directive| self.refused.contains(directive))
    }

    /// Where `directive` was given last.
    pub(super) fn place(&self, directive: &str) -> Span {
        self.given.get(directive).copied().unwrap_or(Span::WHOLE_FILE)
    }
}

/// Blanks and commas divide values, in whole-line directives only blanks do.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

fn rest_of_line<'t>(text: &'t str, name: Word<'_>) -> Word<'t> {
    let end_of_name = name.span.column + name.span.length - 1;
    let offset = text.char_indices().nth(usize::try_from(end_of_name).unwrap_or(usize::MAX));
    let rest = offset.map_or("", |(offset, _)| text.get(offset..).unwrap_or_default());
    let argument = rest.trim_start_matches(is_separator);
    let skipped = rest.chars().count() - argument.chars().count();
    let argument = argument.trim_end();
    let span = Span {
        line: name.span.line,
        column: end_of_name + 1 + count(skipped),
        length: count(argument.chars().count()),
    };
    Word { text: argument, span }
}

pub(super) fn cluster(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    if word.text.len() > MAX_CLUSTER_NAME {
        let message = format!("a cluster's name of {} bytes", word.text.len());
        return Err(word.finding(message, format!("write {MAX_CLUSTER_NAME} bytes at most")));
    }
    ha_cf.cluster = word.text.to_owned();
    Ok(())
}

/// A member's name in lower case, or the finding about it.
pub(super) fn node_name(word: Word<'_>) -> Result<String, Finding> {
    let name = word.text.to_lowercase();
    let is_name_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !name.chars().all(is_name_character) || name.len() > NODE_NAME_BYTES_MAX {
        let message = format!("bad node name `{}`", word.text);
        return Err(word.finding(message, "use the host's name (`uname -n`): letters, digits, `.`, `-`, `_`"));
    }
    Ok(name)
}

pub(super) fn node(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let name = node_name(word)?;
    if let Some((_, first)) = ha_cf.nodes.iter().find(|(known, _)| *known == name) {
        let message = format!("node `{name}` is listed already in line {}", first.line);
        ha_cf.warn(word.span, message, "remove one of the two; it counts once");
        return Ok(());
    }
    ha_cf.nodes.push((name, word.span));
    Ok(())
}

/// The longest host name of Linux.
const NODE_NAME_BYTES_MAX: usize = 64;

/// A time that may be zero, or the finding about it.
fn time(word: Word<'_>) -> Result<Duration, Finding> {
    parse_time(word.text)
        .ok_or_else(|| word.finding(format!("`{}` is not a time of at most a day", word.text), TIME_REMEDY))
}

pub(super) fn positive_time(word: Word<'_>) -> Result<Duration, Finding> {
    let time = time(word)?;
    if time.is_zero() {
        return Err(word.finding(format!("the time `{}` is less than a millisecond", word.text), TIME_REMEDY));
    }
    Ok(time)
}

fn boolean(word: Word<'_>) -> Result<bool, Finding> {
    parse_boolean(word.text).ok_or_else(|| {
        word.finding(format!("`{}` is neither true nor false", word.text), "write `on` or `off`")
    })
}

/// A directive's whole number in its range, or the finding about it.
fn byte(word: Word<'_>, least: u8, most: u8) -> Result<u8, Finding> {
    parse_whole(word.text, least.into(), most.into()).and_then(|number| u8::try_from(number).ok()).ok_or_else(
        || word.finding(format!("bad number `{}`", word.text), format!("write {least} to {most}")),
    )
}

pub(super) fn keepalive(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.keepalive = Some(positive_time(word)?);
    Ok(())
}

pub(super) fn deadtime(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.deadtime = Some(time(word)?);
    Ok(())
}

pub(super) fn warntime(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.warntime = Some(positive_time(word)?);
    Ok(())
}

pub(super) fn initdead(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.initdead = Some(time(word)?);
    Ok(())
}

pub(super) fn deadping(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.deadping = Some(time(word)?);
    Ok(())
}

pub(super) fn start_timeout(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.limits.start = positive_time(word)?;
    Ok(())
}

pub(super) fn stop_timeout(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.limits.stop = positive_time(word)?;
    Ok(())
}

pub(super) fn status_timeout(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.limits.status = positive_time(word)?;
    Ok(())
}

pub(super) fn fence_delay(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.fence_delay = time(word)?;
    Ok(())
}

pub(super) fn stop_failure(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.stop_failure = match word.text {
        "reboot" => StopFailure::Reboot,
        "block" => StopFailure::Block,
        other => return Err(word.finding(format!("bad value `{other}`"), "write `reboot` or `block`")),
    };
    Ok(())
}

pub(super) fn quorum(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.quorum = match word.text {
        "off" => Quorum::Off,
        "majority" => Quorum::Majority,
        "witness" => Quorum::Witness,
        other => {
            let message = format!("bad value `{other}`");
            return Err(word.finding(message, "write `off`, `majority` or `witness`"));
        }
    };
    Ok(())
}

pub(super) fn auto_failback(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let value = match parse_boolean(word.text) {
        Some(true) => "on",
        Some(false) => "off",
        None if word.text.eq_ignore_ascii_case("legacy") => "legacy",
        None => {
            let message = format!("bad value `{}` for `auto_failback`", word.text);
            return Err(word.finding(message, "write `on` or `off`"));
        }
    };
    ha_cf.auto_failback = Some(value);
    Ok(())
}

pub(super) fn nice_failback(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    boolean(word)?;
    ha_cf.auto_failback = Some("legacy");
    ha_cf.warn(
        word.span,
        "`nice_failback` is obsolete; with any value it means `auto_failback legacy`, read as `on`",
        "write `auto_failback on`, or `auto_failback off` if groups shall stay where they are",
    );
    Ok(())
}

pub(super) fn realtime(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.realtime = boolean(word)?;
    Ok(())
}

pub(super) fn rtprio(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.priority = byte(word, 1, 99)?;
    Ok(())
}

pub(super) fn debug(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.logging.debug = byte(word, 0, u8::MAX)?;
    Ok(())
}

pub(super) fn log_badpack(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.logging.log_badpack = boolean(word)?;
    Ok(())
}

pub(super) fn syslogmsgfmt(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.logging.syslog_format = boolean(word)?;
    Ok(())
}

pub(super) fn use_logd(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let wanted = boolean(word)?;
    ha_cf.use_logd = Some(wanted);
    if wanted {
        let message =
            "there is no logging daemon; log lines go to logfile, debugfile and logfacility directly";
        ha_cf.warn(word.span, message, "set `logfacility` or `logfile` and remove `use_logd`");
    }
    Ok(())
}

pub(super) fn logfile(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.logging.logfile = log_path(ha_cf, word);
    Ok(())
}

pub(super) fn debugfile(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.logging.debugfile = log_path(ha_cf, word);
    Ok(())
}

fn log_path(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Option<PathBuf> {
    if !word.text.starts_with('/') {
        let message = format!("`{}` depends on where the daemon is started", word.text);
        ha_cf.warn(word.span, message, "write a full path");
    }
    (word.text != "/dev/null").then(|| PathBuf::from(word.text))
}

pub(super) fn logfacility(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    if word.text != "none" && !FACILITIES.contains(&word.text) {
        let remedy = closest(word.text, FACILITIES.iter().copied())
            .map_or("write `daemon`, `local0` to `local7` or `none`".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
        return Err(word.finding(format!("unknown log facility `{}`", word.text), remedy));
    }
    ha_cf.logging.facility = (word.text != "none").then(|| word.text.to_owned());
    Ok(())
}

pub(super) fn autojoin(_: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    match word.text {
        "none" => Ok(()),
        "any" | "other" => Err(word.finding(
            "members cannot join by themselves when resources are managed by haresources",
            "list all members with `node` and remove the line",
        )),
        other => Err(word.finding(format!("bad value `{other}` for `autojoin`"), "write `none`")),
    }
}

pub(super) fn pacemaker(_: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let known = ["respawn", "manual"].iter().any(|value| word.text.eq_ignore_ascii_case(value));
    match parse_boolean(word.text) {
        Some(false) => Ok(()),
        None if !known => Err(word.finding(format!("bad value `{}`", word.text), "write `off`")),
        _ => Err(word.finding(
            format!("`{}` asks for what cannot be done: {WHY_NOT_PACEMAKER}", word.text),
            "write `off` and list the resources in haresources, or run Pacemaker with Corosync",
        )),
    }
}

pub(super) fn env(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match word.text.split_once('=') {
        Some((name, value)) if is_name(name) => {
            let name = format!("HA_{name}");
            ha_cf.environment.retain(|(known, _)| *known != name);
            ha_cf.environment.push((name, value.to_owned()));
        }
        _ => {
            let message = format!("`{}` sets nothing", word.text);
            ha_cf.warn(word.span, message, "write `env NAME=VALUE`; scripts see it as `HA_NAME`");
        }
    }
    Ok(())
}
