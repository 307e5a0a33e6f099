//! What an OCF agent says of itself when it is asked for its `meta-data`: its parameters and its actions. Pure; the
//! agent is asked in `questions`, and what follows for `haresources` is in `agents`.

use std::time::Duration;

use roxmltree::{Document, Node, ParsingOptions};

use super::values::parse_boolean;

/// The metadata of the largest agents have a few hundred elements.
const NODES_MAX: u32 = 20_000;
/// What the functions that all agents of the package share take besides the agent's own parameters.
const COMMON_PARAMETERS: [&str; 2] = ["trace_ra", "trace_file"];

/// The parts that are of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) parameters: Vec<Parameter>,
    actions: Vec<Action>,
}

/// A parameter that the agent knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// Whether the agent does nothing without it.
    pub(super) required: bool,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text,
    Integer,
    Boolean,
    Time,
    /// One of these.
    Choice(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Action {
    name: String,
    timeout: Option<Duration>,
}

/// Why the words of an agent are no metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("its answer is no text")]
    NotText,
    #[error("its answer is no XML: {0}")]
    NotXml(#[from] roxmltree::Error),
    #[error("its answer is about `{0}`, not about a resource agent")]
    OtherDocument(String),
}

impl Metadata {
    /// Reads an answer. What stands before the first `<` is a warning of the agent's shell and no part of it.
    pub(super) fn read(answer: &[u8]) -> Result<Self, MetadataError> {
        let text = std::str::from_utf8(answer).map_err(|_| MetadataError::NotText)?;
        let text = text.find('<').map_or("", |start| &text[start..]);
        let options = ParsingOptions { allow_dtd: true, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options)?;
        let root = document.root_element();
        if root.tag_name().name() != "resource-agent" {
            return Err(MetadataError::OtherDocument(root.tag_name().name().to_owned()));
        }
        let elements = |list: &'static str, item: &'static str| {
            let lists = root.children().filter(move |node| node.has_tag_name(list));
            lists.flat_map(move |list| list.children().filter(move |node| node.has_tag_name(item)))
        };
        Ok(Self {
            parameters: elements("parameters", "parameter").filter_map(parameter).collect(),
            actions: elements("actions", "action").filter_map(action).collect(),
        })
    }

    /// A parameter by its name.
    pub(super) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Whether a parameter may be given.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.parameter(name).is_some() || COMMON_PARAMETERS.contains(&name)
    }

    /// Whether the agent lists an action.
    pub(super) fn offers(&self, action: &str) -> bool {
        self.actions.iter().any(|known| known.name == action)
    }

    /// The time that the agent asks for: the longest, where an action is listed several times (`monitor` by depth).
    pub(super) fn timeout(&self, action: &str) -> Option<Duration> {
        let listed = self.actions.iter().filter(|known| known.name == action);
        listed.filter_map(|known| known.timeout).max()
    }
}

impl Parameter {
    /// What a value should be instead; nothing where it is right.
    pub(super) fn expects_instead(&self, value: &str) -> Option<String> {
        let right = match &self.content {
            Content::Text => true,
            Content::Integer => value.parse::<i64>().is_ok(),
            // `ja` is taken by all agents of Debian's package.
            Content::Boolean => parse_boolean(value).is_some() || value == "ja",
            Content::Time => time(value).is_some(),
            Content::Choice(choices) => choices.iter().any(|choice| choice == value),
        };
        (!right).then(|| match &self.content {
            Content::Integer => "a whole number".to_owned(),
            Content::Boolean => "`true` or `false`".to_owned(),
            Content::Time => "a time, such as `20s`".to_owned(),
            Content::Choice(choices) => format!("one of {}", choices.join(", ")),
            Content::Text => "some text".to_owned(),
        })
    }
}

fn parameter(node: Node<'_, '_>) -> Option<Parameter> {
    let content = node.children().find(|child| child.has_tag_name("content"));
    Some(Parameter {
        name: node.attribute("name")?.to_owned(),
        required: node.attribute("required").and_then(parse_boolean).unwrap_or(false),
        content: content.map_or(Content::Text, kind_of),
    })
}

fn kind_of(content: Node<'_, '_>) -> Content {
    match content.attribute("type").unwrap_or_default() {
        "integer" => Content::Integer,
        "boolean" => Content::Boolean,
        "time" => Content::Time,
        "select" => {
            let options = content.children().filter(|child| child.has_tag_name("option"));
            Content::Choice(options.filter_map(|it| it.attribute("value")).map(str::to_owned).collect())
        }
        _ => Content::Text,
    }
}

fn action(node: Node<'_, '_>) -> Option<Action> {
    let timeout = node.attribute("timeout").and_then(time);
    Some(Action { name: node.attribute("name")?.to_owned(), timeout })
}

/// A time as agents write it: a whole number of seconds, or of the unit behind it.
fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "" | "s" | "sec" => Some(Duration::from_secs(number)),
        "ms" | "msec" => Some(Duration::from_millis(number)),
        "us" | "usec" => Some(Duration::from_micros(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" | "hr" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: &str = r#"sh: warning: setlocale
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="database" version="1.0">
<version>1.1</version>
<longdesc lang="en">Keeps &lt;one&gt; database.</longdesc>
<parameters>
<parameter name="data" unique="1" required="1"><content type="string" default="" /></parameter>
<parameter name="port" required="0"><content type="integer" default="5432"/></parameter>
<parameter name="replicate" required="false"><content type="boolean"/></parameter>
<parameter name="patience"><content type="time" default="5s"/></parameter>
<parameter name="mode"><content type="select"><option value="fast"/><option value="safe"/></content></parameter>
<parameter name="untold"/>
</parameters>
<actions>
<action name="start" timeout="240s" />
<action name="stop" timeout="2m" />
<action name="monitor" depth="0" timeout="20" interval="10s"/>
<action name="monitor" depth="10" timeout="45000ms" interval="60s"/>
<action name="promote" timeout="soon"/>
<action name="meta-data" timeout="5s" />
</actions>
</resource-agent>
"#;

    fn database() -> Metadata {
        Metadata::read(DATABASE.as_bytes()).unwrap()
    }

    #[test]
    fn parameters_are_read() {
        let metadata = database();
        let names: Vec<_> = metadata.parameters.iter().map(|it| (it.name.as_str(), it.required)).collect();
        assert_eq!(
            names,
            [
                ("data", true),
                ("port", false),
                ("replicate", false),
                ("patience", false),
                ("mode", false),
                ("untold", false)
            ]
        );
        assert!(metadata.takes("port") && metadata.takes("trace_ra") && !metadata.takes("Port"));
    }

    #[test]
    fn actions_are_read_with_the_longest_time() {
        let metadata = database();
        for (action, timeout) in [
            ("start", Some(240)),
            ("stop", Some(120)),
            ("monitor", Some(45)),
            ("promote", None),
            ("reload", None),
        ] {
            assert_eq!(metadata.timeout(action), timeout.map(Duration::from_secs), "{action}");
        }
        assert!(metadata.offers("promote") && !metadata.offers("status"));
    }

    #[test]
    fn values_are_judged_by_their_type() {
        let metadata = database();
        let table = [
            ("data", "", true),
            ("port", "5432", true),
            ("port", "-1", true),
            ("port", "http", false),
            ("port", "", false),
            ("replicate", "yes", true),
            ("replicate", "ja", true),
            ("replicate", "maybe", false),
            ("patience", "20", true),
            ("patience", "20ms", true),
            ("patience", "20 parsecs", false),
            ("mode", "fast", true),
            ("mode", "fastest", false),
            ("untold", "anything", true),
        ];
        for (name, value, right) in table {
            let wanted = metadata.parameter(name).unwrap().expects_instead(value);
            assert_eq!(wanted.is_none(), right, "{name}={value}: {wanted:?}");
        }
        assert_eq!(metadata.parameter("mode").unwrap().expects_instead("x").unwrap(), "one of fast, safe");
    }

    #[test]
    fn other_answers_are_refused() {
        for (answer, error) in [
            (&b""[..], "no XML"),
            (b"usage: database {start|stop}", "no XML"),
            (b"<resource-agent><parameters>", "no XML"),
            (b"<html/>", "about `html`"),
            (b"\xff\xfe", "no text"),
        ] {
            let said = Metadata::read(answer).unwrap_err().to_string();
            assert!(said.contains(error), "{answer:?}: {said}");
        }
    }

    #[test]
    fn hostile_answers_end_in_bounded_time_and_depth() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY c \"&d;&d;&d;&d;&d;&d;&d;&d;\">\
                    <!ENTITY d \"&b;&b;&b;&b;\">]><a>&b;</a>";
        assert!(Metadata::read(bomb.as_bytes()).is_err());
        let (open, close) = ("<a>".repeat(19_000), "</a>".repeat(19_000));
        assert!(Metadata::read(format!("{open}{close}").as_bytes()).is_err());
        let many = format!("<resource-agent>{}</resource-agent>", "<a/>".repeat(30_000));
        assert!(Metadata::read(many.as_bytes()).is_err());
    }
}
