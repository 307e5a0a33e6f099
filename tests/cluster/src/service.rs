//! The service that the clusters of the tests keep alive: a real process called `svc-NAME` that answers with the name
//! of its host, under a resource script that records every call and fails when it is told to.

use crate::error::Error;
use std::time::Duration;

/// Where the script lies on a host.
pub(crate) const SCRIPT: &str = "/etc/ha.d/resource.d/svc";
/// Where it records its calls.
pub(crate) const RECORD: &str = "/var/log/svc-calls";
/// Where its faults are ordered.
const FAULTS: &str = "/var/lib/svc";
/// What processes of services are called, before their name.
pub(crate) const PROCESS: &str = "svc-";

/// `svc NAME PORT VERB`.
pub(crate) const SCRIPT_TEXT: &str = r#"#!/bin/bash
name=$1 port=$2 verb=${!#}
pid_file=/run/svc-$name.pid

record() { echo "$EPOCHREALTIME $$ $arguments $name $verb $1" >> /var/log/svc-calls; }

running() {
    local pid first
    read -r pid 2> /dev/null < "$pid_file" || return 1
    read -rd '' first 2> /dev/null < "/proc/$pid/cmdline" || return 1
    [[ $first == "svc-$name" ]]
}

start() {
    running && return 0
    setsid bash -c 'exec -a "svc-$0" /usr/sbin/heartline-lab lab-web /var/www "[::]:$1"' "$name" "$port" \
        < /dev/null > /dev/null 2>&1 &
    echo $! > "$pid_file"
    until running; do
        kill -0 $! 2> /dev/null || return 1
        sleep 0.01
    done
}

stop() {
    local pid
    while running; do
        read -r pid < "$pid_file" && kill "$pid"
        sleep 0.01
    done
    rm -f "$pid_file"
}

status() { if running; then echo running; else echo stopped; fi; }

arguments=$#
record begun
fault=
[[ -r /var/lib/svc/$name.$verb ]] && read -r fault < "/var/lib/svc/$name.$verb"
case $fault in
    hang) exec sleep infinity ;;
    fail) code=1 ;;
    *) "$verb"; code=$? ;;
esac
record "ended:$code"
exit "$code"
"#;

/// What the script does wrong when it is called with a certain verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and fails.
    Fails,
    /// It does nothing and never ends.
    Hangs,
    /// Nothing any more.
    None,
}

impl Fault {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fails => "fail\n",
            Self::Hangs => "hang\n",
            Self::None => "none\n",
        }
    }

    pub(crate) fn path(service: &str, verb: &str) -> String {
        format!("{FAULTS}/{service}.{verb}")
    }
}

/// A call of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it began, by the clock that all hosts share.
    pub begun: Duration,
    /// When it ended, and its exit status; nothing when it never did.
    pub ended: Option<(Duration, i32)>,
    /// Its process number on its host.
    pub pid: i32,
    /// How many arguments it was given, the verb included.
    pub arguments: usize,
    /// The service.
    pub service: String,
    /// `start`, `stop` or `status`.
    pub verb: String,
}

/// Reads a record: the calls in the order in which they began.
pub(crate) fn read_record(text: &str) -> Result<Vec<Call>, Error> {
    let mut calls: Vec<Call> = Vec::new();
    for line in text.lines() {
        let wrong = || Error::Wrong(format!("a call was recorded as `{line}`"));
        let words: Vec<&str> = line.split(' ').collect();
        let [time, pid, arguments, service, verb, what] = words.as_slice() else { return Err(wrong()) };
        let time = time.parse().map(Duration::from_secs_f64).map_err(|_| wrong())?;
        let pid = pid.parse().map_err(|_| wrong())?;
        if *what == "begun" {
            calls.push(Call {
                begun: time,
                ended: None,
                pid,
                arguments: arguments.parse().map_err(|_| wrong())?,
                service: (*service).to_owned(),
                verb: (*verb).to_owned(),
            });
            continue;
        }
        let code = what.strip_prefix("ended:").and_then(|code| code.parse().ok()).ok_or_else(wrong)?;
        let call = calls.iter_mut().rfind(|call| call.pid == pid && call.ended.is_none());
        call.ok_or_else(wrong)?.ended = Some((time, code));
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back() {
        let text =
            "10.500000 7 3 web start begun\n10.600000 8 3 mail stop begun\n10.700000 7 3 web start ended:1\n";
        let calls = read_record(text).unwrap();
        let ended: Vec<_> = calls.iter().map(|call| call.ended.map(|(_, code)| code)).collect();
        assert_eq!(ended, [Some(1), None]);
        assert_eq!(
            (calls[0].service.as_str(), calls[0].verb.as_str(), calls[0].arguments),
            ("web", "start", 3)
        );
        assert!(calls[0].begun < calls[1].begun);
        for wrong in ["x", "10.5 7 3 web start ended:0"] {
            assert!(read_record(wrong).is_err(), "{wrong}");
        }
    }
}
