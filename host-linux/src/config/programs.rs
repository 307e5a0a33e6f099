//! The directives of `ha.cf` that name programs and devices: fencing, clients, watchdog. Runs nothing.

use std::path::{Path, PathBuf};

use super::directives::Outcome;
use super::ha_cf::HaCf;
use super::model::{FenceDevice, FenceParameters, Notify, NotifyLevel, RespawnClient};
use super::source::{Finding, Word, is_blank, words};
use super::system::System;
use super::witness;

pub(super) fn stonith(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    const USAGE: &str = "write `stonith TYPE PARAMETERFILE`";
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let [kind, file] = found.as_slice() else {
        return Err(line.finding("a fencing device is given by a type and a parameter file", USAGE));
    };
    check_kind(*kind)?;
    if kind.text == witness::DONGLE {
        return Err(kind.finding("a witness needs no parameter file", "write `stonith_host * dongle NAME`"));
    }
    ha_cf.system.read_file(Path::new(file.text)).map_err(|error| {
        let message = format!("cannot read the fencing parameters `{}`: {error}", file.text);
        file.finding(message, "create the file in the format of the fencing plugin, mode 600")
    })?;
    let parameters = FenceParameters::File(PathBuf::from(file.text));
    ha_cf.fencing.push(FenceDevice { kind: kind.text.to_owned(), parameters });
    Ok(())
}

pub(super) fn stonith_host(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    const USAGE: &str =
        "write `stonith_host HOST TYPE PARAMETERS...`; HOST is the node that uses the device, or `*`";
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let [host, rest @ ..] = found.as_slice() else {
        return Err(line.finding("`stonith_host` lacks its HOST", USAGE));
    };
    if host.text != "*" && !host.text.eq_ignore_ascii_case(ha_cf.this_node) {
        return Ok(());
    }
    let [kind, first, ..] = rest else {
        return Err(line.finding("`stonith_host` lacks its TYPE or PARAMETERS", USAGE));
    };
    check_kind(*kind)?;
    if kind.text == witness::DONGLE {
        return witness::fence_device(ha_cf, &rest[1..]);
    }
    let skipped = usize::try_from(first.span.column - line.span.column).unwrap_or(usize::MAX);
    let parameters = line.text.chars().skip(skipped).collect();
    ha_cf
        .fencing
        .push(FenceDevice { kind: kind.text.to_owned(), parameters: FenceParameters::Inline(parameters) });
    Ok(())
}

fn check_kind(kind: Word<'_>) -> Result<(), Finding> {
    let is_kind_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    let well_formed = kind.text.chars().all(is_kind_character)
        && kind.text.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if well_formed {
        return Ok(());
    }
    Err(kind.finding(
        format!("bad fencing type `{}`", kind.text),
        "write a plugin's name such as `external/ipmi` or `fence_ipmilan`",
    ))
}

pub(super) fn respawn(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    client(ha_cf, line, "respawn")
}

pub(super) fn failfast(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    client(ha_cf, line, "failfast")
}

fn client(ha_cf: &mut HaCf<'_>, line: Word<'_>, directive: &str) -> Outcome {
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let [user, program, arguments @ ..] = found.as_slice() else {
        return Err(line.finding(
            format!("`{directive}` needs a user and a command"),
            format!("write `{directive} USER COMMAND ARGUMENTS...`"),
        ));
    };
    if program.text.rsplit('/').next() == Some("ipfail") {
        // Neither its user nor its program need exist any more.
        ha_cf.ipfail = true;
        ha_cf.given.insert("ipfail", program.span);
        let finding = program.finding("ipfail is built in; no program is started", "");
        ha_cf.diagnostics.info(ha_cf.file, finding);
        return Ok(());
    }
    let Some(account) = ha_cf.system.account(user.text) else {
        let message = format!("there is no user `{}`", user.text);
        return Err(user.finding(message, "create the user or name another"));
    };
    let command = command(ha_cf, *program, arguments)?;
    let user = user.text.to_owned();
    let failfast = directive == "failfast";
    ha_cf.respawn.push(RespawnClient { user, uid: account.uid, gid: account.gid, command, failfast });
    Ok(())
}

/// A program that exists, with its arguments as they are handed to a shell.
fn command(ha_cf: &HaCf<'_>, program: Word<'_>, arguments: &[Word<'_>]) -> Result<String, Finding> {
    if !program.text.starts_with('/') {
        return Err(program
            .finding(format!("`{}` is not a full path", program.text), "write the program's full path"));
    }
    if !ha_cf.system.file_info(Path::new(program.text)).is_ok_and(|info| info.is_program()) {
        let message = format!("`{}` is not an executable program", program.text);
        return Err(program.finding(message, "install it, or remove the line"));
    }
    Ok(std::iter::once(&program).chain(arguments).map(|word| word.text).collect::<Vec<_>>().join(" "))
}

pub(super) fn notify(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    const USAGE: &str = "write `notify LEVEL COMMAND ARGUMENTS...`; LEVEL is info, warn, error or crit";
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let [first, rest @ ..] = found.as_slice() else {
        return Err(line.finding("`notify` needs a command", USAGE));
    };
    let (level, rest) = match notify_level(first.text) {
        Some(level) => (level, rest),
        None if first.text.starts_with('/') => (NotifyLevel::Info, found.as_slice()),
        None => return Err(first.finding(format!("`{}` is not a level", first.text), USAGE)),
    };
    let [program, arguments @ ..] = rest else {
        return Err(line.finding("`notify` lacks its COMMAND", USAGE));
    };
    let command = command(ha_cf, *program, arguments)?;
    ha_cf.notify.push(Notify { level, command });
    Ok(())
}

/// The levels as the log spells them, and as people do.
fn notify_level(word: &str) -> Option<NotifyLevel> {
    match word.to_ascii_lowercase().as_str() {
        "info" => Some(NotifyLevel::Info),
        "warn" | "warning" => Some(NotifyLevel::Warn),
        "error" | "err" => Some(NotifyLevel::Error),
        "crit" | "critical" => Some(NotifyLevel::Crit),
        _ => None,
    }
}

pub(super) fn apiauth(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    const USAGE: &str = "write `apiauth CLIENT uid=USER,... gid=GROUP,...` with one list or both";
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let [client, lists @ ..] = found.as_slice() else {
        return Err(line.finding("`apiauth` lacks its CLIENT", USAGE));
    };
    if let Some(first) = ha_cf.api_clients.insert(client.text.to_owned(), client.span) {
        let message = format!("client `{}` is authorised already in line {}", client.text, first.line);
        return Err(client.finding(message, "put all users and groups into one line"));
    }
    if lists.is_empty() {
        return Err(client.finding(format!("nobody is named for client `{}`", client.text), USAGE));
    }
    for list in lists {
        match list.text.split_once('=') {
            Some(("uid", users)) => {
                warn_of_strangers(ha_cf, *list, users, "user", |system, it| system.user_exists(it))
            }
            Some(("gid", groups)) => {
                warn_of_strangers(ha_cf, *list, groups, "group", |system, it| system.group_exists(it))
            }
            _ => return Err(list.finding(format!("`{}` is neither a uid nor a gid list", list.text), USAGE)),
        }
    }
    ha_cf.warn(
        client.span,
        "`apiauth` has no effect: root commands, root and group haclient may read",
        "put those who shall read the status into group haclient",
    );
    Ok(())
}

/// The original refuses them; here they are without effect, and may have left with the original's package.
fn warn_of_strangers(
    ha_cf: &mut HaCf<'_>,
    list: Word<'_>,
    names: &str,
    what: &str,
    exists: fn(&dyn System, &str) -> bool,
) {
    if let Some(missing) = names.split(',').find(|name| !exists(ha_cf.system, name)) {
        ha_cf.warn(list.span, format!("there is no {what} `{missing}`"), "correct or remove the name");
    }
}

pub(super) fn watchdog(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.watchdog = Some(PathBuf::from(word.text));
    if !word.text.starts_with('/') {
        let message = format!("`{}` depends on where the daemon is started", word.text);
        ha_cf.warn(word.span, message, "write a full path");
    }
    Ok(())
}
