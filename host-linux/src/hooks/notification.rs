//! A notice as one line of JSON, for the commands of `notify` lines.

use std::time::SystemTime;

use heartline_core::notice::Notice;
use serde_json::{Value, json};

use crate::config::NotifyLevel;
use crate::log::render::{self, Names};
use crate::log::{Level, exact_time_stamp};

/// The least grave level that a line asks for.
pub(super) fn least(level: NotifyLevel) -> Level {
    match level {
        NotifyLevel::Info => Level::Info,
        NotifyLevel::Warn => Level::Warn,
        NotifyLevel::Error => Level::Error,
        NotifyLevel::Crit => Level::Crit,
    }
}

/// The fields of the notice, and beside them `time`, `node`, `level` and `text`: the line of the log.
pub(super) fn of_notice(
    notice: &Notice,
    level: Level,
    text: &str,
    names: &Names,
    when: SystemTime,
) -> String {
    line(render::json(notice, names), level, text, names.this_node(), when)
}

/// In the place of notices that found no room.
pub(super) fn of_left_out(count: u32, node: &str, when: SystemTime) -> String {
    let text = format!("{count} notices were left out here: the command is too slow for them");
    line(json!({ "notice": "left_out", "count": count }), Level::Warn, &text, node, when)
}

fn line(mut object: Value, level: Level, text: &str, node: &str, when: SystemTime) -> String {
    object["time"] = json!(exact_time_stamp(when));
    object["node"] = json!(node);
    object["level"] = json!(level.to_string().to_lowercase());
    object["text"] = json!(text);
    format!("{object}\n")
}
