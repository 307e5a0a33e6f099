//! heartline(8): the commands as the command line itself knows them.

use clap::{Arg, Command};

use crate::roff::{self, head, item, line, paragraphs, section, subsection};

/// What follows the commands.
const REST: &str = include_str!("heartline.txt");

pub(crate) fn page() -> String {
    let heartline = heartline::cli::command();
    let commands = commands_of(&heartline, "heartline");
    let synopsis: Vec<String> = commands
        .iter()
        .filter(|(_, command)| !command.has_subcommands())
        .map(|(name, command)| line(&usage(name, command)))
        .collect();
    let mut parts = vec![
        head("heartline", 8, "keeps a service alive on a pair of Linux machines"),
        section("Synopsis"),
        synopsis.join(".br\n"),
        section("Description"),
        paragraphs(&about(&heartline)),
        section("Commands"),
    ];
    for (name, command) in &commands {
        parts.push(subsection(name));
        parts.push(paragraphs(&about(command)));
        parts.push(arguments(command));
    }
    parts.push(section("Options of every command"));
    parts.push(arguments(&heartline));
    parts.push(crate::prose(REST));
    roff::page(&parts)
}

/// All commands below one, each with the words that call it.
fn commands_of<'a>(command: &'a Command, words: &str) -> Vec<(String, &'a Command)> {
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    shown
        .flat_map(|command| {
            let name = format!("{words} {}", command.get_name());
            let below = commands_of(command, &name);
            std::iter::once((name, command)).chain(below)
        })
        .collect()
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    let text = about.map(ToString::to_string).unwrap_or_default();
    if text.ends_with('.') { text } else { text + "." }
}

fn visible(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_hide_set())
}

/// The command and its arguments, in brackets where they may be absent.
fn usage(name: &str, command: &Command) -> String {
    let mut usage = format!("`{name}`");
    for argument in visible(command) {
        let name = names(argument).pop().unwrap_or_default();
        usage += &if argument.is_required_set() { format!(" {name}") } else { format!(" [{name}]") };
    }
    usage
}

fn arguments(command: &Command) -> String {
    visible(command)
        .map(|argument| {
            let help = argument.get_long_help().or_else(|| argument.get_help());
            let mut text = help.map(ToString::to_string).unwrap_or_default();
            if !text.ends_with('.') {
                text.push('.');
            }
            for value in argument.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
                if let Some(help) = value.get_help() {
                    text += &format!("\n\n`{}`: {help}.", value.get_name());
                }
            }
            if let [default] = argument.get_default_values() {
                text += &format!("\n\nDefault: `{}`.", default.to_string_lossy());
            }
            item(&names(argument).join(", "), &text)
        })
        .collect()
}

/// How an argument is written: the short way, then the long one.
fn names(argument: &Arg) -> Vec<String> {
    let takes_value = argument.get_action().takes_values();
    let values =
        argument.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let value = values.map_or_else(|| argument.get_id().as_str().to_uppercase(), |names| names.join(" "));
    if argument.is_positional() {
        return vec![format!("*{value}*")];
    }
    let value = if takes_value { format!(" *{value}*") } else { String::new() };
    let short = argument.get_short().map(|short| format!("`-{short}`{value}"));
    let long = argument.get_long().map(|long| format!("`--{long}`{value}"));
    short.into_iter().chain(long).collect()
}
