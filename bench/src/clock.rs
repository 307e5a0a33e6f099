//! The only reader of time in the benchmark. Its scale is the wall clock, because that is what the kernel stamps
//! captured frames with; whoever sets the clock meanwhile spoils a round.

use crate::error::Error;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use std::time::Duration;

/// The time now, since 1970.
pub(crate) fn now() -> Result<Duration, Error> {
    read(nix::time::ClockId::CLOCK_REALTIME)
}

/// The processor time that a process has used in all its threads.
pub(crate) fn processor_time(pid: Pid) -> Result<Duration, Error> {
    read(clock_getcpuclockid(pid).map_err(Error::io(format!("find the processor clock of process {pid}")))?)
}

fn read(clock: nix::time::ClockId) -> Result<Duration, Error> {
    clock.now().map(Duration::from).map_err(Error::io("read a clock"))
}

/// Lets time pass, for what is measured over a span of time.
pub(crate) fn pass(span: Duration) -> Result<(), Error> {
    if span.is_zero() {
        // A timer set to zero is no timer.
        return Ok(());
    }
    let timer = timer(Expiration::OneShot(TimeSpec::from(span)))?;
    timer.wait().map_err(Error::io("wait for a timer"))
}

/// Lets time pass, awake for a moment every `interval`, and gives the processor time that this took: what the machine
/// charges for waking up, whatever the sleeper does then.
pub(crate) fn nap(span: Duration, interval: Duration) -> Result<Duration, Error> {
    let used = || read(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    let timer = timer(Expiration::Interval(TimeSpec::from(interval)))?;
    let (end, before) = (now()? + span, used()?);
    while now()? < end {
        timer.wait().map_err(Error::io("wait for a timer"))?;
    }
    Ok(used()?.saturating_sub(before))
}

/// A timer that expires again and again.
pub(crate) fn interval(span: Duration) -> Result<TimerFd, Error> {
    timer(Expiration::Interval(TimeSpec::from(span)))
}

fn timer(expiration: Expiration) -> Result<TimerFd, Error> {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC);
    let timer = timer.map_err(Error::io("make a timer"))?;
    timer.set(expiration, TimerSetTimeFlags::empty()).map_err(Error::io("set a timer"))?;
    Ok(timer)
}
