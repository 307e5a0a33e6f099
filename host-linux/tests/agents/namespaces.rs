//! Namespaces for the tests of the agents: one for the test, one for a neighbour on the other end of a wire.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::TimeVal;

const ENTERED_VARIABLE: &str = "HEARTLINE_TEST_ENTERED";
/// How often a state is looked at before it counts as never reached.
const LOOKS_MAX: usize = 1000;

/// True in the process that runs the named test in its own namespaces. Elsewhere it starts that process, insists on
/// its success and returns false.
pub(crate) fn entered(test: &str) -> bool {
    if std::env::var_os(ENTERED_VARIABLE).is_some() {
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        // Not through a macro: the test harness would keep it to itself.
        let _ = writeln!(std::io::stderr(), "skipped: {test} needs root for its namespaces");
        return false;
    }
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ENTERED_VARIABLE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in its namespaces: {status}");
    false
}

/// Runs a command and insists on its success.
pub(crate) fn run(command: &str) {
    output(command);
}

/// What a successful command prints.
pub(crate) fn output(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let (program, arguments) = words.split_first().unwrap();
    let result = Command::new(program).args(arguments).output().unwrap();
    assert!(result.status.success(), "{command}: {}", String::from_utf8_lossy(&result.stderr));
    String::from_utf8(result.stdout).unwrap()
}

/// Another host, with the interface `there`, wired to our `here`; both are up.
pub(crate) struct Neighbour {
    process: Child,
}

impl Neighbour {
    /// The hardware address of `here`.
    pub(crate) const OUR_HARDWARE_ADDRESS: &str = "02:00:00:00:00:01";

    pub(crate) fn new() -> Self {
        let mut process = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let neighbour = Self { process };

        let ours = Self::OUR_HARDWARE_ADDRESS;
        run("ip link set lo up");
        run(&format!("ip link add here address {ours} type veth peer name there"));
        run(&format!("ip link set there netns {}", neighbour.process.id()));
        run("ip link set here up");
        neighbour.run("ip link set there up");
        wait(|| output("ip -o link show dev here").contains("state UP"), "here is up");
        neighbour.wait_for("ip -o link show dev there", "state UP");
        neighbour
    }

    /// Runs a command on the neighbour.
    pub(crate) fn run(&self, command: &str) {
        self.output(command);
    }

    /// Looks at what a command on the neighbour prints until it contains the text.
    pub(crate) fn wait_for(&self, command: &str, text: &str) {
        wait(|| self.output(command).contains(text), text);
    }

    /// From now on, all frames that the neighbour gets.
    pub(crate) fn capture(&self) -> Capture {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.process.id())).unwrap();
        // A network namespace is entered by one thread alone, and a socket stays in the one where it was made.
        let socket = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                .unwrap()
        });
        let socket = socket.join().unwrap();
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(20, 0)).unwrap();
        Capture { socket }
    }

    fn output(&self, command: &str) -> String {
        output(&format!("nsenter --net=/proc/{}/ns/net {command}", self.process.id()))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Frames that arrive on the neighbour's interfaces.
pub(crate) struct Capture {
    socket: OwnedFd,
}

impl Capture {
    /// The first frame from now on in which `look` finds something: what it finds.
    pub(crate) fn next<T>(&self, look: impl Fn(&[u8]) -> Option<T>) -> T {
        let mut buffer = [0; 2048];
        for _ in 0..LOOKS_MAX {
            let length = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
            if let Some(found) = look(&buffer[..length]) {
                return found;
            }
        }
        panic!("not among {LOOKS_MAX} frames");
    }
}

fn wait(is_reached: impl Fn() -> bool, what: &str) {
    assert!((0..LOOKS_MAX).any(|_| is_reached()), "never reached: {what}");
}
