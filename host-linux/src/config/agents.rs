//! The agents that `haresources` names: whether they are there, what they say of themselves, and whether anybody
//! else starts what they start. Asks them; a daemon starts whatever is said here, since other groups may be sound.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cross_checks::show;
use super::diagnostics::Diagnostics;
use super::metadata::Metadata;
use super::model::{Agent, OperationLimits, Resource};
use super::questions::{Answer, Question};
use super::reading::Whole;
use super::source::{Finding, SourceFile, Span, count};
use super::system::{SYSTEM_PATH, System};
use super::values::closest;

const OCF_ROOT: &str = "/usr/lib/ocf";
const INIT_D: &str = "/etc/init.d";
const UNIT_DIRECTORIES: [&str; 8] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
];

/// Says what is to be said, and gives each resource the time limits that its agent asks for.
pub(super) fn consult(whole: &mut Whole, system: &dyn System, diagnostics: &mut Diagnostics) {
    let consultation = Consultation::of(whole, system);
    let usual = whole.configuration.limits;
    let is_given = |directive: &str| whole.directives.contains_key(directive);
    let given = GivenLimits {
        start: is_given("start_timeout"),
        stop: is_given("stop_timeout"),
        status: is_given("status_timeout"),
    };
    for (group, places) in whole.configuration.groups.iter_mut().zip(&whole.resources) {
        for (resource, place) in group.resources.iter_mut().zip(places) {
            let mut word = Words { file: &whole.haresources, place: *place, diagnostics };
            if let Some(metadata) = consultation.judge(resource, &mut word) {
                resource.limits = limits(resource, &metadata, usual, given, &mut word);
            }
        }
    }
}

/// A word of `haresources` and where to say something about it.
struct Words<'a> {
    file: &'a SourceFile,
    place: Span,
    diagnostics: &'a mut Diagnostics,
}

impl Words<'_> {
    fn error(&mut self, finding: Finding) {
        self.diagnostics.error(self.file, finding);
    }

    fn warn(&mut self, finding: Finding) {
        self.diagnostics.warning(self.file, finding);
    }
}

/// The machine with the answers of all agents.
struct Consultation<'a> {
    system: &'a dyn System,
    scripts: PathBuf,
    systemctl: Option<PathBuf>,
    answers: BTreeMap<Question, Answer>,
}

impl<'a> Consultation<'a> {
    fn of(whole: &Whole, system: &'a dyn System) -> Self {
        let mut consultation = Self {
            system,
            scripts: whole.configuration.directory.join("resource.d"),
            systemctl: SYSTEM_PATH
                .split(':')
                .map(|directory| Path::new(directory).join("systemctl"))
                .find(|path| is_program(system, path)),
            answers: BTreeMap::new(),
        };
        let resources = whole.configuration.groups.iter().flat_map(|group| &group.resources);
        let questions = resources.filter_map(|resource| consultation.question(resource));
        let mut questions: Vec<Question> = questions.collect();
        questions.sort_unstable();
        questions.dedup();
        let answers = system.ask(&questions);
        consultation.answers = questions.into_iter().zip(answers).collect();
        consultation
    }

    /// What is to be asked about a resource.
    fn question(&self, resource: &Resource) -> Option<Question> {
        match Agent::of(resource) {
            Agent::Ocf(name) => {
                let (provider, agent) = name.split_once(':')?;
                let program = ocf_program(provider, agent);
                is_program(self.system, &program).then(|| meta_data(program, provider, agent))
            }
            Agent::Systemd(unit) => self.has_unit(unit).then(|| self.is_enabled(unit)).flatten(),
            Agent::Script(name) if !is_program(self.system, &self.scripts.join(name)) => {
                self.is_enabled(name)
            }
            Agent::Lsb(name) => self.is_enabled(name),
            Agent::Script(_) | Agent::BuiltIn(_) => None,
        }
    }

    fn is_enabled(&self, unit: &str) -> Option<Question> {
        Some(Question {
            program: self.systemctl.clone()?,
            arguments: vec!["is-enabled".to_owned(), unit_name(unit)],
            variables: Vec::new(),
        })
    }

    /// Says all about one resource; gives what its agent says of itself.
    fn judge(&self, resource: &Resource, word: &mut Words<'_>) -> Option<Metadata> {
        if let Some((message, remedy)) = self.missing(resource) {
            word.error(word.place.finding(message, remedy));
            return None;
        }
        let answer = self.answers.get(&self.question(resource)?)?;
        match Agent::of(resource) {
            Agent::Ocf(name) => return judge_ocf(resource, name, answer, word),
            Agent::Systemd(unit) | Agent::Script(unit) | Agent::Lsb(unit) => judge_unit(unit, answer, word),
            Agent::BuiltIn(_) => {}
        }
        None
    }

    /// Why the agent cannot be run, and the remedy.
    fn missing(&self, resource: &Resource) -> Option<(String, String)> {
        let is_there = |path: &Path| is_program(self.system, path);
        match Agent::of(resource) {
            Agent::BuiltIn(_) => None,
            Agent::Ocf(name) => {
                let (provider, agent) = name.split_once(':')?;
                let path = ocf_program(provider, agent);
                let message = format!("there is no OCF agent `{}`", path.display());
                (!is_there(&path)).then(|| (message, "install the package `resource-agents`".to_owned()))
            }
            Agent::Systemd(unit) => (!self.has_unit(unit)).then(|| {
                let remedy = "install the service; see `systemctl list-unit-files`";
                (format!("systemd has no unit `{unit}`"), remedy.to_owned())
            }),
            Agent::Lsb(name) => (!is_there(&Path::new(INIT_D).join(name))).then(|| {
                let remedy = format!("put an executable `{name}` into {INIT_D}, or use `systemd:{name}`");
                (format!("there is no init script `{name}`"), remedy)
            }),
            Agent::Script(name) => {
                let found = is_there(&self.scripts.join(name)) || is_there(&Path::new(INIT_D).join(name));
                (!found).then(|| {
                    let remedy = format!(
                        "put an executable `{name}` into {} or {INIT_D}, or use `systemd:{name}`",
                        self.scripts.display()
                    );
                    (format!("there is no resource script `{name}`"), remedy)
                })
            }
        }
    }

    fn has_unit(&self, unit: &str) -> bool {
        let name = unit_name(unit);
        // An instance (`web@1.service`) comes from its template (`web@.service`).
        let template = name
            .split_once('@')
            .and_then(|(stem, rest)| rest.rsplit_once('.').map(|(_, kind)| format!("{stem}@.{kind}")));
        UNIT_DIRECTORIES
            .iter()
            .flat_map(|directory| template.iter().chain([&name]).map(|name| Path::new(directory).join(name)))
            .any(|path| self.system.file_info(&path).is_ok())
    }
}

fn is_program(system: &dyn System, path: &Path) -> bool {
    system.file_info(path).is_ok_and(|info| info.is_program())
}

pub(super) fn ocf_program(provider: &str, agent: &str) -> PathBuf {
    Path::new(OCF_ROOT).join("resource.d").join(provider).join(agent)
}

fn unit_name(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

pub(super) fn meta_data(program: PathBuf, provider: &str, agent: &str) -> Question {
    let variables = [
        ("OCF_ROOT", OCF_ROOT),
        ("OCF_RA_VERSION_MAJOR", "1"),
        ("OCF_RA_VERSION_MINOR", "0"),
        ("OCF_RESOURCE_PROVIDER", provider),
        ("OCF_RESOURCE_TYPE", agent),
        // Some agents want one for whatever they do.
        ("OCF_RESOURCE_INSTANCE", agent),
    ];
    Question {
        program,
        arguments: vec!["meta-data".to_owned()],
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    }
}

fn judge_ocf(resource: &Resource, name: &str, answer: &Answer, word: &mut Words<'_>) -> Option<Metadata> {
    let read = match answer {
        Ok(answer) => Metadata::read(answer).map_err(|error| error.to_string()),
        Err(silence) => Err(silence.to_string()),
    };
    let metadata = match read {
        Ok(metadata) => metadata,
        Err(why) => {
            let message = format!("agent `{name}` does not say what it needs: {why}");
            let path = ocf_program("", &name.replacen(':', "/", 1));
            let remedy = format!("call `OCF_ROOT={OCF_ROOT} {} meta-data` by hand", path.display());
            word.warn(word.place.finding(message, remedy));
            return None;
        }
    };
    judge_parameters(resource, name, &metadata, word);
    if !metadata.offers("monitor") && !metadata.offers("status") {
        let message = format!("agent `{name}` has no `monitor`: nobody can tell whether the resource runs");
        word.warn(word.place.finding(message, "use another agent, or a `systemd:` unit"));
    }
    Some(metadata)
}

fn judge_parameters(resource: &Resource, name: &str, metadata: &Metadata, word: &mut Words<'_>) {
    let given: Vec<(&str, &str)> =
        resource.arguments.iter().filter_map(|argument| argument.split_once('=')).collect();
    for (index, (parameter, value)) in given.iter().copied().enumerate() {
        let place = place_of(resource, index, word.place);
        if given[..index].iter().any(|(earlier, _)| *earlier == parameter) {
            let message = format!("`{parameter}` is given twice, and the last one counts");
            word.warn(place.finding(message, "remove one of the two"));
        }
        if !metadata.takes(parameter) {
            let names = metadata.parameters.iter().map(|known| known.name.as_str());
            let remedy = closest(parameter, names.clone()).map_or_else(
                || format!("its parameters are: {}", names.collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            word.warn(place.finding(format!("agent `{name}` has no parameter `{parameter}`"), remedy));
        }
        let wanted = metadata.parameter(parameter).and_then(|known| known.expects_instead(value));
        if let Some(wanted) = wanted {
            let message = format!("bad value `{value}` for `{parameter}` of agent `{name}`");
            word.warn(place.finding(message, format!("write {wanted}")));
        }
    }
    let required = metadata.parameters.iter().filter(|parameter| parameter.required);
    for missing in required.filter(|parameter| given.iter().all(|(name, _)| *name != parameter.name)) {
        let message = format!("agent `{name}` needs the parameter `{}`", missing.name);
        word.error(word.place.finding(message, format!("add `::{}=VALUE`", missing.name)));
    }
}

/// Where an argument stands: within its word, unless the word goes on in another line.
fn place_of(resource: &Resource, index: usize, word: Span) -> Span {
    let mut from = resource.agent.len();
    for argument in &resource.arguments[..=index] {
        // Each is in the text, behind the one before it: they were cut out of it.
        let Some(at) = resource.text.get(from..).and_then(|rest| rest.find(&format!("::{argument}"))) else {
            return word;
        };
        from += at + "::".len() + argument.len();
    }
    let length = resource.arguments[index].chars().count();
    let end = resource.text.get(..from).map_or(0, |text| text.chars().count());
    let place = Span { column: word.column + count(end - length), length: count(length), ..word };
    if place.column + place.length <= word.column + word.length { place } else { word }
}

/// What systemd says of a unit that the cluster is to start.
fn judge_unit(unit: &str, answer: &Answer, word: &mut Words<'_>) {
    // No answer is none: the machine runs without systemd, or has no such unit.
    let Ok(state) = answer else { return };
    match state.trim_ascii() {
        b"enabled" | b"enabled-runtime" => {
            let message = format!("systemd starts `{unit}` at boot, also where the cluster does not want it");
            word.warn(word.place.finding(message, format!("systemctl disable {unit}")));
        }
        b"masked" | b"masked-runtime" => {
            let message = format!("unit `{unit}` is masked: nobody can start it");
            word.error(word.place.finding(message, format!("systemctl unmask {unit}")));
        }
        _ => {}
    }
}

/// Which limits `ha.cf` sets itself.
#[derive(Clone, Copy)]
struct GivenLimits {
    start: bool,
    stop: bool,
    status: bool,
}

/// The limits for one resource: those that its agent asks for, where they are longer than usual and nobody wrote
/// others into `ha.cf`.
fn limits(
    resource: &Resource,
    metadata: &Metadata,
    usual: OperationLimits,
    given: GivenLimits,
    word: &mut Words<'_>,
) -> Option<OperationLimits> {
    let status = metadata.timeout("monitor").or_else(|| metadata.timeout("status"));
    let mut longest = |usual: Duration, asked: Option<Duration>, given: bool, directive: &str| {
        let asked = asked.unwrap_or(usual);
        if given && asked > usual {
            let agent = &resource.agent;
            let message =
                format!("`{agent}` asks for {}, and {directive} allows {}", show(asked), show(usual));
            word.diagnostics.info(word.file, word.place.finding(message, ""));
        }
        if given { usual } else { usual.max(asked) }
    };
    let limits = OperationLimits {
        start: longest(usual.start, metadata.timeout("start"), given.start, "start_timeout"),
        stop: longest(usual.stop, metadata.timeout("stop"), given.stop, "stop_timeout"),
        status: longest(usual.status, status, given.status, "status_timeout"),
    };
    (limits != usual).then_some(limits)
}
