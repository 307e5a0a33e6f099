//! Everything that can go wrong, and what operators do meanwhile. A fault that lasts carries its own length, so that it
//! can be taken out of a plan as a whole; none outlives the storm.

use std::fmt;

use heartline_core::input::Command;

use super::{MILLISECOND, Micros, SECOND, name};

/// A fault and its time.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    /// When it happens.
    pub at: Micros,
    /// What.
    pub fault: Fault,
}

/// One thing that goes wrong, or that an operator does. Hosts, links and groups are numbers in the settings; what cannot
/// happen as things are (a crash of a host that is off) is left out by the world.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are named in the sentences")]
pub enum Fault {
    /// A link passes nothing from one host to another.
    Cut { link: usize, from: usize, to: usize, lasts: Micros },
    /// A link passes nothing at all.
    Sever { link: usize, lasts: Micros },
    /// Nothing reaches a host or leaves it.
    Isolate { host: usize, lasts: Micros },
    /// Two hosts do not reach each other on any link; others reach both.
    Part { hosts: [usize; 2], lasts: Micros },
    /// Nothing reaches a host from another on any link; the other way all passes.
    OneWay { from: usize, to: usize, lasts: Micros },
    /// A link works and does not in turn, each for half a period.
    Flap { link: usize, period: Micros, lasts: Micros },
    /// A network loses, doubles, delays and corrupts datagrams; chances in a thousand.
    Weather { link: usize, loss: u32, twice: u32, delay: Micros, corrupt: u32, lasts: Micros },
    /// A serial line loses, flips and invents bytes (chances in a thousand bytes) and cuts frames (in a thousand frames).
    Noise { link: usize, loss: u32, flips: u32, garbage: u32, breaks: u32, lasts: Micros },
    /// Somebody sends a frame that is not what it seems.
    Forge { link: usize, to: usize, forgery: Forgery },
    /// A host loses its power for a while.
    PowerLoss { host: usize, off: Micros },
    /// A host loses its power again and again, each time shortly after it came.
    RebootLoop { host: usize, times: u32, up: Micros },
    /// The daemon is killed and comes back after a while; the children that it had go on or die.
    KillDaemon { host: usize, children_die: bool, back: Micros },
    /// The daemon does not run for a while; its children and the kernel do.
    StallDaemon { host: usize, lasts: Micros },
    /// The whole machine does not run for a while, and its clock may stand still.
    PauseHost { host: usize, clock_stops: bool, lasts: Micros },
    /// A group's agents behave badly.
    Agent { host: usize, group: usize, task: Task, behaviour: Behaviour, lasts: Micros },
    /// A service dies by itself.
    ServiceDies { host: usize, group: usize },
    /// Somebody removes an address of a group that runs, and the host is told at once, or not.
    PartGone { host: usize, group: usize, told: bool },
    /// At the next boot of a host a service runs already.
    RunsAtBoot { host: usize, group: usize },
    /// The fencing device that a host uses behaves badly.
    Device { host: usize, behaviour: Behaviour, lasts: Micros },
    /// A host's hardware watchdog resets it, though it was fed.
    Watchdog { host: usize },
    /// An operator asks for something; an impatient one many times.
    Order { host: usize, command: Command, times: u32 },
    /// An operator stops the daemon and starts it again later.
    Stop { host: usize, back: Micros },
    /// Operators stop all daemons at once, as before the power is switched off, and start them again later.
    Shutdown { back: Micros },
    /// One host's files change, and change back later.
    Reload { host: usize, words: super::Words, lasts: Micros },
    /// A ping node does not answer a host.
    PingLost { host: usize, ping: usize, lasts: Micros },
    /// Maintenance is turned on, at this host.
    Maintenance { host: usize, lasts: Micros },
    /// In maintenance a group is moved by hand to a host.
    ByHand { host: usize, group: usize },
    /// A daemon is restarted with its services kept: the next life comes up after a while, or, where it is broken, when somebody
    /// starts it by hand. A program that cannot be run at all leaves the daemon as it is.
    Restart { host: usize, takes: Micros, runs: bool },
    /// An operator says on this host that another one is down; a truthful one has looked.
    ConfirmDown { host: usize, about: usize, truthful: bool },
    /// The witness loses its power, and with it what it had in memory.
    WitnessOff { off: Micros },
    /// The witness is reset.
    WitnessReset { by: WitnessReset },
    /// The witness hangs until its own watchdog resets it.
    WitnessHangs,
    /// The half of the cable between a host and the witness is unplugged.
    Unplug { host: usize, lasts: Micros },
    /// Of that half one direction is broken: what the host says, or what it would hear.
    HalfCut { host: usize, outward: bool, lasts: Micros },
    /// Noise on that half; chances as in [`Fault::Noise`].
    HalfNoise { host: usize, loss: u32, flips: u32, garbage: u32, breaks: u32, lasts: Micros },
    /// A host asks the witness to reset the other, whether or not that is well.
    AskFence { host: usize },
    /// All hosts lose their power at once, and the witness too or not; all boot together.
    Blackout { off: Micros, witness: bool },
    /// Somebody sends the witness a frame that is not what it seems, on the line of a host.
    ForgeToWitness { host: usize, forgery: Forgery },
    /// The reset line of a host does nothing.
    LineBroken { host: usize, lasts: Micros },
    /// A host with the key says what is not so.
    Lie { host: usize, lie: Lie, lasts: Micros },
}

/// How the witness is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WitnessReset {
    /// By its pin.
    Pin,
    /// After new firmware was written.
    Reflash,
    /// Its supply dropped: its memory may be damaged.
    BrownOut,
    /// The same, and once more while it writes that it lives anew.
    BrownOutTwice,
}

/// What a host says that is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It asks for the vote, though the other is there.
    WantsVote,
    /// It asks to be left alone by the watchdog, and goes on.
    Releases,
    /// It asks for a watchdog that bears no silence.
    ArmsTight,
    /// It has left in good order and runs nothing.
    HasLeft,
    /// All its groups are idle.
    RunsNothing,
    /// It hears nobody.
    HearsNobody,
}

/// What an agent is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Is it running?
    Probe,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Is it still running?
    Monitor,
    /// Put back what is gone beside what runs.
    Repair,
}

/// How an agent or a fencing device behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It fails the next time.
    FailsOnce,
    /// It fails as long as this lasts.
    Fails,
    /// It takes so many times longer.
    Slow(u32),
    /// It never ends, until it is killed.
    Hangs,
    /// It says the wrong thing.
    Lies(Reading),
}

/// What a lie says. A fencing device that lies says that it did what it did not, whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// All of it runs.
    Runs,
    /// None of it runs.
    Stopped,
    /// Parts of it run, or one cannot tell.
    Unclear,
}

/// A frame that nobody has sent in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Random bytes.
    Garbage,
    /// A genuine frame with one bit turned over.
    BitFlip,
    /// A genuine frame that ends early.
    Truncated,
    /// What a genuine frame says, closed by somebody of another cluster.
    OtherCluster,
    /// A genuine frame of the sender's present life once more, on the same link.
    Replay,
    /// A genuine frame of an earlier life of its sender.
    EarlierLife,
}

/// The kind of a fault, for choosing and counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the faults")]
pub enum Kind {
    Cut,
    Sever,
    Isolate,
    Part,
    OneWay,
    Flap,
    Weather,
    Noise,
    Forge,
    PowerLoss,
    RebootLoop,
    KillDaemon,
    StallDaemon,
    PauseHost,
    Agent,
    ServiceDies,
    RunsAtBoot,
    Device,
    Watchdog,
    Order,
    Stop,
    Shutdown,
    Reload,
    PingLost,
    Maintenance,
    ByHand,
    Restart,
    ConfirmDown,
    PartGone,
    WitnessOff,
    WitnessReset,
    WitnessHangs,
    Unplug,
    HalfCut,
    HalfNoise,
    AskFence,
    Blackout,
    ForgeToWitness,
    LineBroken,
    Lie,
}

/// All kinds, in the order of their numbers.
pub const KINDS: [Kind; 40] = [
    Kind::Cut,
    Kind::Sever,
    Kind::Isolate,
    Kind::Part,
    Kind::OneWay,
    Kind::Flap,
    Kind::Weather,
    Kind::Noise,
    Kind::Forge,
    Kind::PowerLoss,
    Kind::RebootLoop,
    Kind::KillDaemon,
    Kind::StallDaemon,
    Kind::PauseHost,
    Kind::Agent,
    Kind::ServiceDies,
    Kind::RunsAtBoot,
    Kind::Device,
    Kind::Watchdog,
    Kind::Order,
    Kind::Stop,
    Kind::Shutdown,
    Kind::Reload,
    Kind::PingLost,
    Kind::Maintenance,
    Kind::ByHand,
    Kind::Restart,
    Kind::ConfirmDown,
    Kind::PartGone,
    Kind::WitnessOff,
    Kind::WitnessReset,
    Kind::WitnessHangs,
    Kind::Unplug,
    Kind::HalfCut,
    Kind::HalfNoise,
    Kind::AskFence,
    Kind::Blackout,
    Kind::ForgeToWitness,
    Kind::LineBroken,
    Kind::Lie,
];

impl Fault {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Cut { .. } => Kind::Cut,
            Self::Sever { .. } => Kind::Sever,
            Self::Isolate { .. } => Kind::Isolate,
            Self::Part { .. } => Kind::Part,
            Self::OneWay { .. } => Kind::OneWay,
            Self::Flap { .. } => Kind::Flap,
            Self::Weather { .. } => Kind::Weather,
            Self::Noise { .. } => Kind::Noise,
            Self::Forge { .. } => Kind::Forge,
            Self::PowerLoss { .. } => Kind::PowerLoss,
            Self::RebootLoop { .. } => Kind::RebootLoop,
            Self::KillDaemon { .. } => Kind::KillDaemon,
            Self::StallDaemon { .. } => Kind::StallDaemon,
            Self::PauseHost { .. } => Kind::PauseHost,
            Self::Agent { .. } => Kind::Agent,
            Self::ServiceDies { .. } => Kind::ServiceDies,
            Self::RunsAtBoot { .. } => Kind::RunsAtBoot,
            Self::Device { .. } => Kind::Device,
            Self::Watchdog { .. } => Kind::Watchdog,
            Self::Order { .. } => Kind::Order,
            Self::Stop { .. } => Kind::Stop,
            Self::Shutdown { .. } => Kind::Shutdown,
            Self::Reload { .. } => Kind::Reload,
            Self::PingLost { .. } => Kind::PingLost,
            Self::Maintenance { .. } => Kind::Maintenance,
            Self::ByHand { .. } => Kind::ByHand,
            Self::Restart { .. } => Kind::Restart,
            Self::ConfirmDown { .. } => Kind::ConfirmDown,
            Self::WitnessOff { .. } => Kind::WitnessOff,
            Self::WitnessReset { .. } => Kind::WitnessReset,
            Self::WitnessHangs => Kind::WitnessHangs,
            Self::Unplug { .. } => Kind::Unplug,
            Self::HalfCut { .. } => Kind::HalfCut,
            Self::HalfNoise { .. } => Kind::HalfNoise,
            Self::AskFence { .. } => Kind::AskFence,
            Self::Blackout { .. } => Kind::Blackout,
            Self::ForgeToWitness { .. } => Kind::ForgeToWitness,
            Self::LineBroken { .. } => Kind::LineBroken,
            Self::Lie { .. } => Kind::Lie,
            Self::PartGone { .. } => Kind::PartGone,
        }
    }
}

/// For people who read about a run: the names of hosts, and spans in seconds.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = format!("{self:?}").replace([',', '{', '}', '[', ']'], " ");
        let mut field = "";
        for (at, word) in debug.split_whitespace().enumerate() {
            let space = if at == 0 { "" } else { " " };
            match (field, word.parse::<u64>()) {
                ("host:" | "hosts:" | "from:" | "to:", Ok(host)) => {
                    write!(f, "{space}{}", name(usize::try_from(host).unwrap_or(0)))?;
                }
                ("lasts:" | "off:" | "back:" | "up:" | "period:" | "delay:", Ok(span)) => {
                    write!(f, "{space}{}.{:03} s", span / SECOND, span % SECOND / MILLISECOND)?;
                }
                _ => {
                    write!(f, "{space}{word}")?;
                    field = word;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_names_and_seconds() {
        let part = Fault::Part { hosts: [0, 2], lasts: 12 * SECOND + 345_678 };
        assert_eq!(part.to_string(), "Part hosts: ha1 ha3 lasts: 12.345 s");
        let cut = Fault::Cut { link: 1, from: 1, to: 0, lasts: SECOND };
        assert_eq!(cut.to_string(), "Cut link: 1 from: ha2 to: ha1 lasts: 1.000 s");
    }
}
