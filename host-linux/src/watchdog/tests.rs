//! When a device is opened, fed and let go of, by a device that keeps a record.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use super::*;
use crate::log::render::testing::two_nodes;

thread_local! {
    static DEVICES: RefCell<HashMap<PathBuf, Fake>> = RefCell::default();
}

/// A device by its path, open or not.
#[derive(Debug, Clone, Default)]
struct Fake {
    fails: Option<Errno>,
    fed: u32,
    outlives: bool,
    /// The only time-out that it has.
    fixed: Option<u64>,
    timeout: u64,
    open: bool,
    disarmed: bool,
}

struct FakeDevice(PathBuf);

impl FakeDevice {
    fn with<T>(&self, act: impl FnOnce(&mut Fake) -> T) -> T {
        DEVICES.with_borrow_mut(|devices| act(devices.get_mut(&self.0).unwrap()))
    }
}

impl Drop for FakeDevice {
    fn drop(&mut self) {
        self.with(|fake| fake.open = false);
    }
}

impl Device for FakeDevice {
    fn open(path: &Path) -> io::Result<Self> {
        DEVICES.with_borrow_mut(|devices| {
            let fake = devices.get_mut(path).ok_or(Errno::ENOENT)?;
            if let Some(errno) = fake.fails {
                return Err(errno.into());
            }
            (fake.open, fake.disarmed, fake.fed) = (true, false, fake.fed + 1);
            Ok(Self(path.to_owned()))
        })
    }

    fn outlives_us(&self) -> bool {
        self.with(|fake| fake.outlives)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.with(|fake| {
            fake.timeout = fake.fixed.unwrap_or(timeout.as_secs());
            fake.fixed.map_or(Ok(()), |_| Err(Errno::EINVAL.into()))
        })
    }

    fn timeout(&self) -> io::Result<Duration> {
        Ok(Duration::from_secs(self.with(|fake| fake.timeout)))
    }

    fn feed(&mut self) -> io::Result<()> {
        self.with(|fake| {
            fake.fed += 1;
            fake.fails.map_or(Ok(()), |errno| Err(errno.into()))
        })
    }

    fn disarm(self) -> io::Result<()> {
        self.with(|fake| fake.disarmed = true);
        Ok(())
    }
}

const PATH: &str = "/dev/watchdog";

fn device() -> Fake {
    DEVICES.with_borrow(|devices| devices[Path::new(PATH)].clone())
}

fn change(act: impl FnOnce(&mut Fake)) {
    DEVICES.with_borrow_mut(|devices| act(devices.get_mut(Path::new(PATH)).unwrap()));
}

/// Keepalive 1 s, and this dead time.
fn configured(deadtime: u64) -> Configuration {
    let mut configuration = two_nodes("ha1");
    configuration.watchdog = Some(PATH.into());
    configuration.times.keepalive = Duration::from_secs(1);
    configuration.times.deadtime = Duration::from_secs(deadtime);
    configuration
}

fn watchdog(fake: Fake) -> Watchdog<FakeDevice> {
    DEVICES.with_borrow_mut(|devices| devices.insert(PATH.into(), fake));
    Watchdog::new(&configured(10))
}

fn good() -> Watchdog<FakeDevice> {
    watchdog(Fake { outlives: true, ..Fake::default() })
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn said(watchdog: &mut Watchdog<FakeDevice>) -> Vec<String> {
    watchdog.remarks().map(|(level, text)| format!("{level}: {text}")).collect()
}

#[test]
fn the_timeout_is_the_originals() {
    for (deadtime, expected) in [(1_000, 2), (1_990, 2), (1_991, 3), (10_000, 11), (30_000, 31)] {
        let mut times = two_nodes("ha1").times;
        times.deadtime = Duration::from_millis(deadtime);
        assert_eq!(times.watchdog_timeout(), Duration::from_secs(expected), "{deadtime}");
    }
}

#[test]
fn the_first_feed_opens_it() {
    let mut watchdog = good();
    assert_eq!((watchdog.news(), watchdog.armed(), device().open), (None, None, false));
    watchdog.feed();
    assert_eq!((device().open, device().fed, device().timeout), (true, 1, 11));
    assert_eq!((watchdog.news(), watchdog.news()), (Some(seconds(11)), None), "told once");
    watchdog.feed();
    assert_eq!(device().fed, 2);
    assert_eq!(
        said(&mut watchdog),
        [
            "notice: Using watchdog device: /dev/watchdog",
            "info: The watchdog resets this host when it is not fed for 11 s"
        ]
    );
}

#[test]
fn without_the_directive_nothing_is_opened() {
    let mut watchdog = good();
    let mut without = configured(10);
    without.watchdog = None;
    watchdog.configure(&without);
    watchdog.feed();
    assert!(!watchdog.is_wanted() && !device().open && said(&mut watchdog).is_empty());
}

#[test]
fn what_cannot_be_opened_is_told_once_and_tried_again() {
    let mut watchdog = good();
    change(|fake| fake.fails = Some(Errno::EBUSY));
    watchdog.feed();
    watchdog.feed();
    let told = said(&mut watchdog);
    assert!(
        told.len() == 1
            && told[0].contains("ERROR: Cannot open watchdog device: /dev/watchdog: it is in use")
    );
    assert_eq!((watchdog.news(), watchdog.problem().is_some()), (None, true));
    change(|fake| fake.fails = None);
    watchdog.feed();
    assert_eq!((watchdog.news(), watchdog.problem()), (Some(seconds(11)), None));
}

#[test]
fn the_timeout_of_the_device_counts_whatever_was_asked_for() {
    let mut watchdog = watchdog(Fake { outlives: true, fixed: Some(60), ..Fake::default() });
    watchdog.feed();
    assert_eq!(watchdog.news(), Some(seconds(60)));
    assert!(
        said(&mut watchdog)[1]
            .starts_with("ERROR: WDIOC_SETTIMEOUT: Failed to set watchdog timer to 11 seconds")
    );
}

#[test]
fn a_device_that_is_too_quick_is_not_used() {
    let mut watchdog = watchdog(Fake { outlives: true, fixed: Some(2), ..Fake::default() });
    watchdog.feed();
    watchdog.feed();
    assert_eq!((watchdog.news(), device().open, device().disarmed, device().fed), (None, false, true, 1));
    assert!(
        watchdog.problem().unwrap().contains("it resets after 2 s, which is too short for keepalive 1000 ms")
    );
}

#[test]
fn nobody_relies_on_a_device_that_stops_with_us() {
    let mut watchdog = watchdog(Fake::default());
    watchdog.feed();
    watchdog.feed();
    assert_eq!((watchdog.news(), device().fed), (None, 2));
    assert!(watchdog.problem().unwrap().contains("it stops counting when this process dies"));
}

#[test]
fn nobody_relies_on_a_device_that_fails() {
    let mut watchdog = good();
    watchdog.feed();
    assert_eq!(watchdog.news(), Some(seconds(11)));
    change(|fake| fake.fails = Some(Errno::EIO));
    watchdog.feed();
    assert_eq!((watchdog.news(), device().open, device().disarmed), (Some(None), false, false));
    change(|fake| fake.fails = None);
    watchdog.feed();
    assert_eq!(watchdog.news(), Some(seconds(11)));
}

#[test]
fn only_an_orderly_end_disarms() {
    let mut watchdog = good();
    watchdog.feed();
    drop(watchdog);
    assert_eq!((device().open, device().disarmed), (false, false));
    let mut watchdog = good();
    watchdog.feed();
    watchdog.disarm();
    assert_eq!((device().open, device().disarmed, watchdog.news()), (false, true, None));
}

#[test]
fn a_host_that_cannot_reboot_is_left_to_its_watchdog() {
    let mut watchdog = good();
    watchdog.feed();
    assert_eq!(watchdog.starve(), seconds(11));
    watchdog.feed();
    watchdog.disarm();
    assert_eq!((device().fed, device().disarmed, watchdog.armed()), (1, false, seconds(11)));
}

#[test]
fn another_configuration_only_makes_the_timeout_shorter() {
    let mut watchdog = good();
    watchdog.feed();
    watchdog.news();
    said(&mut watchdog);
    for (deadtime, timeout, told) in [(5, 6, Some(seconds(6))), (20, 6, None)] {
        watchdog.configure(&configured(deadtime));
        watchdog.feed();
        assert_eq!((device().timeout, watchdog.news()), (timeout, told));
    }
    assert!(said(&mut watchdog).last().unwrap().contains("keeps its time-out of 6 s"));
}

#[test]
fn an_armed_device_stays_armed_whatever_the_new_configuration_says() {
    for path in [None, Some(PathBuf::from("/dev/watchdog1"))] {
        let mut watchdog = good();
        watchdog.feed();
        let mut new = configured(10);
        new.watchdog = path;
        watchdog.configure(&new);
        watchdog.feed();
        assert_eq!((device().open, device().fed, watchdog.armed()), (true, 2, seconds(11)));
        assert!(
            said(&mut watchdog).last().unwrap().contains("stays armed until this daemon is started anew")
        );
    }
}

#[test]
fn a_keepalive_that_the_watchdog_would_not_outlast_is_refused() {
    let mut watchdog = good();
    let mut slow = configured(30);
    slow.times.keepalive = Duration::from_secs(6);
    assert_eq!(watchdog.objects(&slow), None, "it is not armed yet");
    watchdog.feed();
    assert!(watchdog.objects(&slow).unwrap().contains("resets this host after 11 s"));
    assert_eq!(watchdog.objects(&configured(30)), None);
}
