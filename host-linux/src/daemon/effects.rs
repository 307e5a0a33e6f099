//! Carries out what the core orders: frames to media, jobs to runners, words to the log, answers to commands; and
//! brings the outcome of jobs back as inputs.

use std::time::{Duration, Instant};

use heartline_core::effect::{Answer, Effect, Work};
use heartline_core::frame::Bytes;
use heartline_core::ids::{GroupIndex, JobId};
use heartline_core::input::{JobFailure, Outcome};
use heartline_core::message::GroupState;
use heartline_core::notice::Notice;
use heartline_core::{Effects, Input};
use nix::sys::reboot::{RebootMode, reboot};

use super::Daemon;
use super::requests::Waiting;
use super::status::LastError;
use crate::clock;
use crate::control::{self, Reply};
use crate::durable;
use crate::fence;
use crate::log::{Level, render};
use crate::media::{MediaEvent, MediaSource};
use crate::resources::{self, Operation, Severity};

/// Jobs of the host's own that the core does not know.
const OWN_JOBS: u32 = 1 << 31;
/// When the addresses of a group that has just started are announced again: for switches that were not listening, and
/// for neighbours, which heed no second announcement within a second of the first.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(1_200),
    Duration::from_millis(2_500),
    Duration::from_millis(5_000),
];
/// What was the last thing this host did before it rebooted itself.
const REBOOT_RECORD: &str = "last_reboot_reason";

/// What the core has ordered and nobody has done yet.
#[derive(Default)]
pub(super) struct Outbox {
    effects: Vec<Effect>,
    frame: Bytes,
    transmit: bool,
    pub(super) leave: bool,
}

impl Outbox {
    pub(super) fn collect(&mut self, effects: &Effects) {
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => {
                    self.frame.clone_from(&effects.frame().try_into().unwrap_or_default());
                    self.transmit = true;
                }
                Effect::Leave => self.leave = true,
                other => self.effects.push(other),
            }
        }
    }
}

/// Announcements that are still to be repeated.
#[derive(Default)]
pub(super) struct Repeats(Vec<(Instant, GroupIndex)>);

impl Repeats {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().map(|(due, _)| *due).min()
    }
}

impl Daemon {
    /// Does everything that the core has ordered. The frame goes first: the others should hear before we are busy.
    pub(super) fn carry_out(&mut self, now: Instant) {
        if std::mem::take(&mut self.outbox.transmit) {
            self.media.send(&self.outbox.frame, now);
        }
        let mut effects = std::mem::take(&mut self.outbox.effects);
        for effect in effects.drain(..) {
            self.carry_out_one(effect, now);
        }
        // Keep the room that was made. A step taken meanwhile, by a reload, has carried out its own effects.
        self.outbox.effects = effects;
    }

    fn carry_out_one(&mut self, effect: Effect, now: Instant) {
        match effect {
            // Both were taken out by the outbox.
            Effect::Transmit | Effect::Leave => {}
            Effect::FeedWatchdog => self.feed_watchdog(now),
            Effect::Run { job, work } => self.run_job(job, work, now),
            Effect::Cancel(job) => self.runner.cancel(job.0, now),
            Effect::Announce(group) => self.announce(group, now),
            Effect::WitnessFence { job, answer } => {
                self.fencer.witness_answered(job.0, render::fence_answer(answer), now);
            }
            Effect::Answer { id, answer } => self.answer(id.0, answer),
            Effect::Notice(notice) => self.say(&notice, now),
            Effect::Reboot(group) => {
                // A group cannot be stopped: whoever takes it must be able to rely on it not running here.
                let name = self.names.group(group);
                let reason = format!("Resource STOP failure of {name}. Reboot required!");
                self.reboot(&reason, "The group stays blocked.");
            }
            Effect::KeepMaintenance(maintenance) => self.keep_maintenance(maintenance),
        }
    }

    fn run_job(&mut self, job: JobId, work: Work, now: Instant) {
        let (group, operation) = match work {
            Work::Probe(group) => (group, Operation::Probe),
            Work::Start(group) => (group, Operation::Start),
            Work::Stop(group) => (group, Operation::Stop),
            Work::Monitor(group) => (group, Operation::Monitor),
            Work::Repair(group) => (group, Operation::Repair),
            Work::Fence(member) => {
                let host = self.names.member(member).to_owned();
                self.fencer.fence(job.0, &host, now);
                return;
            }
            Work::NextLife => {
                self.ask_for_next_life(job, now);
                return;
            }
        };
        self.runner.run(job.0, usize::from(group.0), operation, now);
    }

    fn announce(&mut self, group: GroupIndex, now: Instant) {
        let job = OWN_JOBS | self.new_order();
        self.runner.run(job, usize::from(group.0), Operation::Announce, now);
    }

    pub(super) fn say(&mut self, notice: &Notice, now: Instant) {
        if let Notice::Started { group, .. } = notice {
            self.repeats.0.extend(REPEATS.iter().map(|pause| (now + *pause, *group)));
        }
        if let Notice::Started { group, .. } | Notice::Healthy(group) = notice {
            self.forget_error(*group);
        }
        self.record_fence(notice);
        self.alarm_for_witness(notice);
        if matches!(notice, Notice::Refused { .. }) && !self.configuration.logging.log_badpack {
            return;
        }
        let (level, text) = render::render(notice, &self.names);
        self.log.write(level, &text);
        self.programs.hear(notice, (level, &text), &self.names, now);
    }

    /// The last error is over, unless it is one of the failures that are shown until a clean-up.
    pub(super) fn forget_error(&mut self, group: GroupIndex) {
        let failed = self.node.group_here(group).is_some_and(|group| group.health().failures() > 0);
        if let Some(error) = self.extra.last_errors.get_mut(usize::from(group.0)).filter(|_| !failed) {
            *error = None;
        }
    }

    pub(super) fn repeat_announcements(&mut self, now: Instant) {
        while let Some(at) = self.repeats.0.iter().position(|(due, _)| now >= *due) {
            let (_, group) = self.repeats.0.swap_remove(at);
            let running =
                self.node.group_here(group).is_some_and(|group| group.state() == GroupState::Running);
            if running {
                self.announce(group, now);
            }
        }
    }

    /// A resource of a group seems to be gone. The core decides whether it is looked at.
    pub(super) fn suspect(&mut self, group: GroupIndex, resource: usize) {
        self.runner.suspect(usize::from(group.0), resource);
        self.step(Input::Suspect(group));
    }

    fn answer(&mut self, order: u32, answer: Answer) {
        if self.retired(order, answer) {
            return;
        }
        let Some(Waiting { client, asked }) = self.waiting.remove(&order) else { return };
        let name = |group: GroupIndex| self.names.group(group).to_owned();
        let outcome = match answer {
            Answer::Done => control::Outcome::done(self.done(&asked)),
            Answer::Nothing => control::Outcome::done(self.nothing_to_do(&asked)),
            Answer::NobodyElse(group) => control::Outcome::failed(
                1,
                format!("no other node is there that could run {}; nothing was changed", name(group)),
            ),
            Answer::NotMoved(group) => control::Outcome::failed(
                1,
                format!("{} did not get where it should; see `heartline status` and the log", name(group)),
            ),
            Answer::NotActive => control::Outcome::failed(
                1,
                "this node is not taking part yet, or is leaving; nothing was changed",
            ),
            Answer::ConfigurationDiffers => control::Outcome::failed(
                1,
                "the nodes' haresources or node lists differ, see the log; nothing was changed",
            ),
            Answer::Busy => control::Outcome::failed(1, "too many orders are waiting; nothing was changed"),
            Answer::Maintenance => control::Outcome::failed(
                1,
                "maintenance is on; nothing was changed. It ends with: heartline maintenance off",
            ),
            Answer::Overruled => control::Outcome::failed(
                1,
                "maintenance was turned the other way meanwhile; see `heartline status`, and say it again if need be",
            ),
            Answer::NotDead(member) => control::Outcome::failed(1, self.not_dead(member)),
            Answer::NotRestarted => control::Outcome::failed(
                1,
                "the daemon was not restarted and goes on as before, see the log; nothing was changed",
            ),
        };
        self.server.reply(client, &Reply::Result(outcome));
    }

    /// Reboots this host at once, and says why in the log and on disk; `otherwise` is what is to be said if the system
    /// refuses.
    pub(super) fn reboot(&mut self, reason: &str, otherwise: &str) {
        self.log.write(Level::Crit, reason);
        let stamp = crate::log::time_stamp(clock::wall());
        let record = format!("{stamp} {reason}\n");
        if let Err(error) = durable::write_durably(&self.state_dir.join(REBOOT_RECORD), record.as_bytes()) {
            self.log.write(Level::Error, &format!("Cannot record why this host reboots: {error}"));
        }
        // The log has said what matters; a record that is lost now is no reason to wait.
        let _ = self.flight.sync();
        self.log.write(Level::Crit, "Rebooting this host now.");
        let Err(cause) = reboot(RebootMode::RB_AUTOBOOT);
        self.log.write(Level::Crit, &format!("Unable to force reboot: {}. {otherwise}", cause.desc()));
        self.leave_reboot_to_watchdog();
    }

    /// Brings outcomes back to the core and remarks to the log, until there are none.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            self.log_remarks();
            let mut ended: Vec<(JobId, Outcome)> = Vec::new();
            for (job, outcome) in self.runner.completed() {
                if job & OWN_JOBS == 0 {
                    let (job, error) = (JobId(job), last_error(&outcome));
                    if let Some(group) = self.group_of(job)
                        && error.is_some()
                        && let Some(last) = self.extra.last_errors.get_mut(group)
                    {
                        *last = error;
                    }
                    ended.push((job, resource_outcome(&outcome)));
                }
            }
            self.ask_witness(now);
            let fences: Vec<_> = self.fencer.completed().collect();
            let news = self.watchdog.news();
            if let Some(timeout) = news {
                self.step(Input::Watchdog(timeout.map(core_span)));
            }
            if ended.is_empty() && fences.is_empty() && news.is_none() {
                break;
            }
            self.addresses.look_again();
            for (job, outcome) in ended {
                self.step(Input::JobEnded { job, outcome });
            }
            for (job, outcome) in fences {
                let told = fence_outcome(&outcome);
                self.fences.outcome = Some(outcome);
                self.step(Input::JobEnded { job: JobId(job), outcome: told });
            }
        }
        self.carry_out(now);
    }

    fn group_of(&self, job: JobId) -> Option<usize> {
        let mut groups = self.node.config().groups();
        groups.position(|group| self.node.group_here(group).is_some_and(|group| group.job() == Some(job)))
    }

    pub(super) fn log_remarks(&mut self) {
        self.log_programs();
        for remark in self.runner.remarks() {
            match &remark {
                resources::Remark::Output(output) => {
                    self.log.script_line(&output.resource, output.pid, &output.line);
                }
                _ => self.log.write(level(remark.severity()), &remark.to_string()),
            }
        }
        for (level, text) in self.watchdog.remarks() {
            self.log.write(level, &text);
        }
        for remark in self.fencer.remarks() {
            self.log.write(level(remark.severity()), &remark.to_string());
        }
        for report in self.media.reports() {
            if let MediaSource::Link(link) = report.source
                && let Some(medium) = self.extra.media.get_mut(link)
            {
                medium.problem = match report.event {
                    MediaEvent::Opened | MediaEvent::Reopened => None,
                    MediaEvent::Degraded | MediaEvent::Failed => Some(report.text.clone()),
                };
            }
            let level = match (report.event, report.source) {
                (MediaEvent::Opened | MediaEvent::Reopened, _) => Level::Info,
                (MediaEvent::Degraded, _) => Level::Warn,
                (MediaEvent::Failed, MediaSource::Link(_)) => Level::Error,
                (MediaEvent::Failed, _) => Level::Warn,
            };
            self.log.write(level, &report.text);
        }
    }
}

fn core_span(time: Duration) -> heartline_core::time::Duration {
    heartline_core::time::Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Debug => Level::Debug,
        Severity::Info => Level::Info,
        Severity::Warning => Level::Warn,
        Severity::Error => Level::Error,
    }
}

fn resource_outcome(outcome: &resources::Outcome) -> Outcome {
    match outcome {
        resources::Outcome::Running | resources::Outcome::Succeeded => Outcome::Done,
        resources::Outcome::NotRunning => Outcome::NotRunning,
        resources::Outcome::Partial => Outcome::Partial,
        resources::Outcome::Lost { repairable: true, .. } => Outcome::Repairable,
        resources::Outcome::Lost { repairable: false, .. } => Outcome::Partial,
        resources::Outcome::NotRun { .. } => Outcome::Failed(JobFailure::NotRun),
        resources::Outcome::Unclear { .. } | resources::Outcome::Failed { .. } => {
            Outcome::Failed(JobFailure::Refused)
        }
        resources::Outcome::TimedOut { .. } => Outcome::Failed(JobFailure::TimedOut),
        resources::Outcome::Cancelled => Outcome::Failed(JobFailure::Cancelled),
    }
}

fn fence_outcome(outcome: &fence::Outcome) -> Outcome {
    match outcome {
        fence::Outcome::Succeeded { device, .. } => Outcome::Fenced { device: *device },
        fence::Outcome::Failed { .. } => Outcome::Failed(JobFailure::Refused),
        fence::Outcome::Cancelled => Outcome::Failed(JobFailure::Cancelled),
    }
}

/// What is to be remembered of a job that did not go well.
fn last_error(outcome: &resources::Outcome) -> Option<LastError> {
    let (resource, what) = match outcome {
        resources::Outcome::Lost { resource, reason, .. } => {
            (resource, format!("does not run any more ({reason})"))
        }
        resources::Outcome::Unclear { resource, reason } => {
            (resource, format!("has no clear status ({reason})"))
        }
        resources::Outcome::NotRun { resource, reason } => {
            (resource, format!("cannot be asked for its status ({reason})"))
        }
        resources::Outcome::Failed { resource, reason } => (resource, reason.clone()),
        resources::Outcome::TimedOut { resource, operation } => (resource, format!("{operation} timed out")),
        resources::Outcome::Running
        | resources::Outcome::NotRunning
        | resources::Outcome::Partial
        | resources::Outcome::Succeeded
        | resources::Outcome::Cancelled => return None,
    };
    Some(LastError { resource: resource.clone(), what })
}
