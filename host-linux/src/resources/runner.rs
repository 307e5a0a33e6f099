//! Runs the jobs that the core orders for groups: one child per call, all in the main loop.
//! Which call comes next is in `sequence.rs`, what a call looks like in `locate.rs`.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::child::{End, Invocation, Stream};
use super::children::{Children, Ended, Line, LineText};
use super::environment::Environment;
use super::ledger::Ledger;
use super::locate::{Agent, Directories, Locator};
use super::remark::{Output, Remark};
use super::rounds::Rounds;
use super::sequence::{Action, Answer, Operation, Outcome, Sequence, Step};
use super::status::Status;
use crate::agents;
use crate::config::{Configuration, Group, Monitors, OperationLimits};

/// The jobs of this host's groups.
///
/// Nothing here blocks and nothing reads a clock. After any of `run`, `cancel`, `ready`, `child_exited` and `tick`,
/// what came of it is to be fetched with `completed` and `remarks`.
#[derive(Debug)]
pub struct Runner {
    instructions: Instructions,
    locator: Locator,
    children: Children,
    jobs: Vec<Job>,
    rounds: Rounds,
    completed: Vec<(u32, Outcome)>,
    remarks: Vec<Remark>,
}

/// What the configuration says of groups and their agents.
#[derive(Debug, Clone)]
pub struct Instructions {
    /// The groups; they are known by their index.
    pub groups: Vec<Group>,
    /// How long a call may take.
    pub limits: OperationLimits,
    /// Which resources are monitored, and how often.
    pub monitors: Monitors,
    /// What agents find in their environment.
    pub environment: Environment,
}

impl Instructions {
    /// What this configuration says.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        Self {
            groups: configuration.groups.clone(),
            limits: configuration.limits,
            monitors: configuration.monitoring.monitors.clone(),
            environment: Environment::of(configuration),
        }
    }
}

#[derive(Debug)]
struct Job {
    number: u32,
    group: usize,
    begun: Instant,
    sequence: Sequence,
    wait: Wait,
    cancelled: bool,
}

/// What a job is waiting for.
#[derive(Debug)]
enum Wait {
    Call { resource: usize, action: Action, invocation: Invocation },
    Until(Instant),
}

impl Runner {
    /// The number of tokens that are used, beginning with the first.
    pub const TOKENS: usize = Children::TOKENS;

    /// `own_executable` is this program, for the built-in agents. The tokens from `first_token` on, [`Self::TOKENS`] of
    /// them, must not be used by anybody else.
    #[must_use]
    pub fn new(
        instructions: Instructions,
        directories: Directories,
        own_executable: PathBuf,
        registry: Registry,
        first_token: usize,
    ) -> Self {
        let ledger = Ledger::in_run_dir(&directories.run_dir);
        Self {
            instructions,
            locator: Locator {
                directories,
                own_executable,
                announcing_socket: agents::announcing_socket().ok().map(Rc::new),
            },
            children: Children::new(registry, first_token, Some(ledger)),
            jobs: Vec::new(),
            rounds: Rounds::default(),
            completed: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Takes over a changed configuration. Jobs on their way go on with the groups that they began with.
    pub fn configure(&mut self, instructions: Instructions) {
        self.instructions = instructions;
        self.rounds = Rounds::default();
    }

    /// Begins a job. `job` is a number that no other job has at the moment; jobs of one group must not overlap.
    pub fn run(&mut self, job: u32, group: usize, operation: Operation, now: Instant) {
        let Some(resources) = self.instructions.groups.get(group) else {
            let reason = format!("there is no group number {group}");
            self.completed.push((job, Outcome::Failed { resource: String::new(), reason }));
            return;
        };
        let resources = resources.clone();
        let sequence = match operation {
            Operation::Monitor => {
                let asks = self.rounds.turns(group, &resources, &self.instructions.monitors, now);
                Sequence::monitoring(resources, asks)
            }
            Operation::Start => {
                self.ask_all(group);
                Sequence::new(operation, resources)
            }
            _ => Sequence::new(operation, resources),
        };
        let wait = Wait::Until(now);
        self.jobs.push(Job { number: job, group, begun: now, sequence, wait, cancelled: false });
        self.proceed(job, Answer::Begin, now);
    }

    /// All monitored resources of a group are asked in the next round, whenever they were asked last.
    pub(super) fn ask_all(&mut self, group: usize) {
        self.rounds.ask_all(group);
    }

    /// A resource of a group seems to be gone: it is asked in the next round, also where nobody monitors it.
    pub fn suspect(&mut self, group: usize, resource: usize) {
        self.rounds.suspect(group, resource);
    }

    /// Ends a job early: SIGTERM to the process group of its current call, SIGKILL two seconds later. Its outcome is
    /// [`Outcome::Cancelled`] once the process is gone. Does nothing for a job that is not known.
    pub fn cancel(&mut self, job: u32, now: Instant) {
        let Some(index) = self.jobs.iter().position(|known| known.number == job) else { return };
        self.jobs[index].cancelled = true;
        if !self.children.cancel(job, now) {
            self.finish(index, Outcome::Cancelled);
        }
    }

    /// To be called on SIGCHLD. Reaps only the children that this runner has started.
    pub fn child_exited(&mut self, now: Instant) {
        self.children.reap(now);
        self.settle(now);
    }

    /// To be called for an event of the main loop. False if the token is none of this runner's.
    pub fn ready(&mut self, token: Token, now: Instant) -> bool {
        let ours = self.children.ready(token, now);
        self.settle(now);
        ours
    }

    /// To be called when time has passed, at the latest at [`Self::next_deadline`].
    pub fn tick(&mut self, now: Instant) {
        self.children.tick(now);
        self.settle(now);
        let due = |job: &&Job| matches!(job.wait, Wait::Until(until) if until <= now);
        let due: Vec<u32> = self.jobs.iter().filter(due).map(|job| job.number).collect();
        for job in due {
            self.proceed(job, Answer::Begin, now);
        }
    }

    /// When `tick` is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let pauses = self.jobs.iter().filter_map(|job| match job.wait {
            Wait::Until(until) => Some(until),
            Wait::Call { .. } => None,
        });
        pauses.chain(self.children.next_deadline()).min()
    }

    /// The jobs that ended since the last question.
    pub fn completed(&mut self) -> impl Iterator<Item = (u32, Outcome)> + use<> {
        std::mem::take(&mut self.completed).into_iter()
    }

    /// What is worth saying since the last question.
    pub fn remarks(&mut self) -> impl Iterator<Item = Remark> + use<> {
        std::mem::take(&mut self.remarks).into_iter()
    }

    /// Whether no job is on its way.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Passes on what the children wrote, then goes on with the jobs of those that ended.
    fn settle(&mut self, now: Instant) {
        for line in self.children.take_lines() {
            self.pass_on(line);
        }
        for ended in self.children.take_ended() {
            let job = ended.owner;
            if let Some(answer) = self.answer(ended) {
                self.proceed(job, answer, now);
            }
        }
    }

    fn pass_on(&mut self, line: Line) {
        let Some(job) = self.jobs.iter().find(|job| job.number == line.owner) else { return };
        let Wait::Call { resource, .. } = job.wait else { return };
        let group = job.group;
        let resource =
            job.sequence.resource(resource).map(|resource| resource.text.clone()).unwrap_or_default();
        self.remarks.push(match line.text {
            LineText::LeftOut(lines) => Remark::OutputLeftOut { group, resource, lines },
            LineText::Written(stream, text) => Remark::Output(Output {
                group,
                resource,
                pid: line.pid,
                line: text,
                is_stderr: stream == Stream::Stderr,
            }),
        });
    }

    /// What the end of a child means to its job. None if the job is over with it.
    fn answer(&mut self, ended: Ended) -> Option<Answer> {
        let index = self.jobs.iter().position(|job| job.number == ended.owner)?;
        if self.jobs[index].cancelled {
            self.finish(index, Outcome::Cancelled);
            return None;
        }
        let job = &self.jobs[index];
        let Wait::Call { resource, action, invocation } = &job.wait else { return None };
        let exit = match ended.end {
            End::TimedOut | End::Cancelled => return Some(Answer::TimedOut),
            End::Exited(code) => Some(code),
            End::Signalled(_) => None,
        };
        if *action == Action::Status {
            let rule = Agent::of(job.sequence.resource(*resource)?).status_rule();
            let status = rule.judge(exit, &ended.output);
            let said = match status {
                Status::Running => String::new(),
                Status::NotRunning | Status::Unclear => failure(invocation, &ended),
            };
            if status == Status::Running && job.sequence.operation() == Operation::Monitor {
                self.rounds.is_well(job.group, *resource, job.begun);
            }
            return Some(Answer::Status(status, said));
        }
        if exit == Some(0) {
            return Some(Answer::Succeeded);
        }
        if Agent::of(job.sequence.resource(*resource)?).says_missing(exit) {
            return Some(Answer::Missing(failure(invocation, &ended)));
        }
        let program = &invocation.program;
        if let Some(code) = exit {
            self.remarks.push(Remark::ReturnCode { program: program.clone(), code });
        }
        Some(Answer::Failed(failure(invocation, &ended)))
    }

    /// Goes on with a job until it has to wait or is over.
    fn proceed(&mut self, number: u32, mut answer: Answer, now: Instant) {
        let Some(index) = self.jobs.iter().position(|job| job.number == number) else { return };
        loop {
            let job = &mut self.jobs[index];
            let remarks = &mut self.remarks;
            match job.sequence.advance(answer, |remark| remarks.push(remark)) {
                Step::Finished(outcome) => return self.finish(index, outcome),
                Step::Pause(pause) => {
                    job.wait = Wait::Until(now + pause);
                    return;
                }
                Step::Call { resource, action } => match self.call(index, resource, action, now) {
                    Ok(()) => return,
                    Err(at_once) => answer = at_once,
                },
            }
        }
    }

    fn call(&mut self, index: usize, resource: usize, action: Action, now: Instant) -> Result<(), Answer> {
        let job = &mut self.jobs[index];
        let Some(word) = job.sequence.resource(resource) else {
            return Err(Answer::Failed(format!("there is no resource number {resource}")));
        };
        let limit = limit(&word.limits.unwrap_or(self.instructions.limits), action);
        let invocation = self
            .locator
            .invocation(word, action, limit, &self.instructions.environment)
            .map_err(|error| Answer::Missing(error.to_string()))?;
        if matches!(action, Action::Start | Action::Stop) {
            let mut arguments = word.arguments.clone();
            if let Agent::BuiltIn(name) = Agent::of(word) {
                arguments.splice(0..0, ["agent".to_owned(), name.to_owned()]);
            }
            self.remarks.push(Remark::Calling { program: invocation.program.clone(), arguments, action });
        }
        self.children
            .spawn(job.number, &invocation, &self.instructions.environment, now)
            .map_err(|error| not_run(Agent::of(word), &invocation, &error))?;
        job.wait = Wait::Call { resource, action, invocation };
        Ok(())
    }

    fn finish(&mut self, index: usize, outcome: Outcome) {
        let job = self.jobs.swap_remove(index);
        self.completed.push((job.number, outcome));
    }
}

/// What it means that a call did not even begin. A script that the kernel refuses to run is no better than one that is
/// not there: it started nothing, and must not be a reason to reboot. The built-in agents can be run, or this program
/// could not be; that one cannot begin is a passing shortage.
fn not_run(agent: Agent<'_>, invocation: &Invocation, error: &io::Error) -> Answer {
    let program = invocation.program.display();
    let is_script = matches!(agent, Agent::Script(_) | Agent::Lsb(_) | Agent::Ocf(_));
    match error.kind() {
        io::ErrorKind::NotFound if is_script && invocation.program.exists() => Answer::Missing(format!(
            "{program} cannot be run: the interpreter that its first line names is not there \
             (or that line ends with CR LF)"
        )),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
            if is_script =>
        {
            Answer::Missing(format!("{program} cannot be run: {error}"))
        }
        _ => Answer::Failed(format!("{program} cannot be run: {error}")),
    }
}

fn limit(limits: &OperationLimits, action: Action) -> Duration {
    match action {
        Action::Start | Action::Announce => limits.start,
        Action::Stop => limits.stop,
        Action::Status => limits.status,
    }
}

/// A sentence about a call that did not succeed; the agent's own last word is part of it. Its arguments are not, since
/// those of fencing devices are secret.
pub(crate) fn failure(invocation: &Invocation, ended: &Ended) -> String {
    let program = invocation.program.display();
    let end = match ended.end {
        End::Exited(code) => format!("returned {code}"),
        End::Signalled(0) => "ended in an unknown way".to_owned(),
        End::Signalled(signal) => format!("was ended by signal {signal}"),
        End::TimedOut => format!("took longer than {:?}", invocation.limit),
        End::Cancelled => "was cancelled".to_owned(),
    };
    if ended.complaint.is_empty() {
        format!("{program} {end}")
    } else {
        format!("{program} {end}: {}", ended.complaint.trim_start_matches("ocf-exit-reason:"))
    }
}
