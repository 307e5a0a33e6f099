//! The built-in agents against a real kernel, in namespaces of their own. Needs root; says so and passes without.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod addresses;
mod namespaces;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use etherparse::{ArpOperation, Icmpv6Type, NetSlice, SlicedPacket, TransportSlice};
use namespaces::{Neighbour, entered, output, run};

const AGENT_VARIABLE: &str = "HEARTLINE_TEST_AGENT";

/// Not a test of its own: the process that [`agent`] starts.
#[test]
fn run_an_agent() {
    let Ok(call) = std::env::var(AGENT_VARIABLE) else { return };
    let words: Vec<String> = call.split('\n').map(str::to_owned).collect();
    let [name, arguments @ .., verb] = words.as_slice() else { panic!("no agent in {call:?}") };
    let code = heartline::agents::exit_status(name, arguments, verb);
    std::process::exit(code.into());
}

/// Runs an agent in a process of its own: its exit code and the word that it printed last.
fn agent(words: &[&str]) -> (i32, String) {
    agent_with(Stdio::null(), words)
}

fn agent_with(input: Stdio, words: &[&str]) -> (i32, String) {
    let result = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "run_an_agent", "--nocapture"])
        .env(AGENT_VARIABLE, words.join("\n"))
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let printed = String::from_utf8(result.stdout).unwrap();
    (result.status.code().unwrap(), printed.split_whitespace().last().unwrap_or_default().to_owned())
}

/// As [`agent`], where only the exit code is of interest.
fn code(words: &[&str]) -> i32 {
    agent(words).0
}

fn state(code: i32, word: &str) -> (i32, String) {
    (code, word.to_owned())
}

#[test]
fn an_address_comes_is_announced_and_goes() {
    if !entered("an_address_comes_is_announced_and_goes") {
        return;
    }
    let neighbour = Neighbour::new();
    run("ip addr add 10.0.0.7/24 dev here");
    neighbour.run("ip addr add 10.0.0.9/24 dev there");
    neighbour.run("ip neigh replace 10.0.0.100 lladdr 02:00:00:00:00:99 dev there nud stale");
    let address = ["IPaddr", "10.0.0.100"];
    let verb = |verb| agent(&[address[0], address[1], verb]);

    assert_eq!(verb("status"), state(3, "stopped"));
    assert_eq!(verb("monitor"), state(7, "stopped"));
    assert_eq!(verb("announce").0, 1, "an address that is elsewhere is not announced");

    let capture = neighbour.capture();
    assert_eq!(verb("start").0, 0);
    let shown = output("ip -o addr show dev here to 10.0.0.100");
    assert!(shown.contains("10.0.0.100/24 brd 10.0.0.255"), "{shown}");
    let operations = || -> Vec<ArpOperation> { (0..4).map(|_| capture.next(gratuitous_arp)).collect() };
    let burst = [ArpOperation::REQUEST, ArpOperation::REPLY, ArpOperation::REQUEST, ArpOperation::REPLY];
    assert_eq!(operations(), burst);
    neighbour.wait_for("ip neigh show 10.0.0.100", Neighbour::OUR_HARDWARE_ADDRESS);

    assert_eq!(verb("status"), state(0, "running"));
    assert_eq!(verb("monitor"), state(0, "running"));
    assert_eq!(verb("start").0, 0, "what is there already is success");
    assert_eq!(operations(), burst, "and is announced again");
    assert_eq!(verb("announce").0, 0);
    assert_eq!(operations(), burst);
    let socket = heartline::agents::announcing_socket().unwrap();
    assert_eq!(agent_with(socket.into(), &["IPaddr", "10.0.0.100", "announce"]).0, 0);
    assert_eq!(operations(), burst, "also through a socket that was given");
    neighbour.run("ping -c 1 -W 5 10.0.0.100");

    assert_eq!(verb("stop").0, 0);
    assert_eq!(verb("status"), state(3, "stopped"));
    assert_eq!(verb("stop").0, 0, "what is gone already is success");
}

/// The operation of a gratuitous ARP for 10.0.0.100 from our end of the wire.
fn gratuitous_arp(frame: &[u8]) -> Option<ArpOperation> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Arp(arp)) = packet.net else { return None };
    let expected = [10, 0, 0, 100];
    let is_ours = arp.sender_protocol_addr() == expected && arp.target_protocol_addr() == expected;
    is_ours.then(|| arp.operation())
}

#[test]
fn an_ipv6_address_answers_at_once() {
    if !entered("an_ipv6_address_answers_at_once") {
        return;
    }
    let neighbour = Neighbour::new();
    run("ip addr add 2001:db8::7/64 dev here nodad");
    neighbour.run("ip addr add 2001:db8::9/64 dev there nodad");
    neighbour.run("ip neigh replace 2001:db8::100 lladdr 02:00:00:00:00:99 dev there nud stale");

    let capture = neighbour.capture();
    assert_eq!(
        code(&["IPv6addr", "2001:db8", "100", "start"]),
        0,
        "prefix and interface come from the route"
    );
    let shown = output("ip -o addr show dev here to 2001:db8::100");
    assert!(shown.contains("2001:db8::100/64") && !shown.contains("tentative"), "{shown}");
    assert!(capture.next(override_of_advertisement), "the advertisement overrides what neighbours know");
    neighbour.wait_for("ip neigh show 2001:db8::100", Neighbour::OUR_HARDWARE_ADDRESS);
    neighbour.run("ping -c 1 -W 5 2001:db8::100");

    assert_eq!(agent(&["IPv6addr", "2001:db8::100", "status"]), state(0, "running"));
    assert_eq!(code(&["IPv6addr", "2001:db8::100/64/here", "start"]), 0);
    assert_eq!(code(&["IPv6addr", "2001:db8::100/64/here", "stop"]), 0);
    assert_eq!(agent(&["IPv6addr", "2001:db8::100", "status"]), state(3, "stopped"));
}

fn override_of_advertisement(frame: &[u8]) -> Option<bool> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Icmpv6(icmp)) = packet.transport else { return None };
    let target: std::net::Ipv6Addr = "2001:db8::100".parse().ok()?;
    match icmp.icmp_type() {
        Icmpv6Type::NeighborAdvertisement(header)
            if icmp.payload().get(..16) == Some(&target.octets()[..]) =>
        {
            Some(header.r#override)
        }
        _ => None,
    }
}

#[test]
fn an_address_without_a_place_is_refused_with_5() {
    if !entered("an_address_without_a_place_is_refused_with_5") {
        return;
    }
    let _neighbour = Neighbour::new();
    run("ip addr add 10.0.0.7/24 dev here");
    assert_eq!(code(&["IPaddr", "192.0.2.1", "start"]), 5, "no route at all");
    run("ip route add default via 10.0.0.9");
    assert_eq!(code(&["IPaddr", "192.0.2.1", "start"]), 5, "the default route leads elsewhere");
    assert_eq!(code(&["IPaddr", "192.0.2.1/24", "start"]), 5);
    run("ip route add 192.0.2.0/24 via 10.0.0.9");
    assert_eq!(code(&["IPaddr", "192.0.2.1", "start"]), 5, "a network behind a gateway is not connected");
    assert_eq!(code(&["IPaddr", "192.0.2.1//here", "start"]), 5, "no prefix to be found");
    assert_eq!(code(&["IPaddr", "10.0.0.1/24/absent", "start"]), 5);
    assert_eq!(code(&["IPaddr", "10.0.0.1/24/absent", "stop"]), 0, "nothing there, nothing to stop");
    assert_eq!(agent(&["IPaddr", "10.0.0.1/24/absent", "status"]), state(3, "stopped"));
    assert_eq!(code(&["IPaddr", "192.0.2.1/24/here", "start"]), 0, "whoever names the place is believed");
}

#[test]
fn addresses_of_one_network_do_not_depend_on_each_other() {
    if !entered("addresses_of_one_network_do_not_depend_on_each_other") {
        return;
    }
    let _neighbour = Neighbour::new();
    run("ip link set here down");
    fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", "0").unwrap();
    fs::write("/proc/sys/net/ipv4/conf/here/promote_secondaries", "0").unwrap();
    assert_eq!(code(&["IPaddr2", "10.1.0.1/24/here:web", "start"]), 0);
    assert!(output("ip -o addr show dev here").contains("here:web"));
    assert!(output("ip -o link show dev here").contains(",UP"), "the interface was brought up");
    assert_eq!(code(&["IPaddr2", "10.1.0.2/24/here", "start"]), 0);

    assert_eq!(code(&["IPaddr2", "10.1.0.1/24/here:web", "stop"]), 0);
    assert_eq!(agent(&["IPaddr2", "10.1.0.2/24/here", "status"]), state(0, "running"));
    assert_eq!(agent(&["IPaddr2", "10.1.0.1/24/here", "status"]), state(3, "stopped"));
}

#[test]
fn the_loopback_address_of_a_real_server_is_left_alone() {
    if !entered("the_loopback_address_of_a_real_server_is_left_alone") {
        return;
    }
    let _neighbour = Neighbour::new();
    run("ip addr add 10.0.0.7/24 dev here");
    run("ip addr add 10.0.0.100/32 dev lo");
    assert_eq!(agent(&["IPaddr2", "10.0.0.100", "status"]), state(3, "stopped"));
    assert_eq!(code(&["IPaddr2", "10.0.0.100", "stop"]), 0);
    assert_eq!(agent(&["IPaddr2", "10.0.0.100/32/lo", "status"]), state(0, "running"));
    assert_eq!(code(&["IPaddr2", "10.0.0.7/24/lo", "start"]), 1, "it is on another interface");
}

/// A file with an empty file system in it.
fn image(directory: &Path, name: &str) -> String {
    let path = directory.join(name).display().to_string();
    fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
    run(&format!("mkfs.ext4 -q {path}"));
    path
}

/// A process in this directory that does not end by itself.
fn process_in(directory: &str, preparation: &str) -> Child {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{preparation}; echo ready; exec cat")])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn a_file_system_is_mounted_once_and_unmounted_for_good() {
    if !entered("a_file_system_is_mounted_once_and_unmounted_for_good") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let image = [image(directory.path(), "one.img"), image(directory.path(), "two.img")];
    let point = directory.path().join("mount point").display().to_string();
    let link = directory.path().join("link").display().to_string();
    std::os::unix::fs::symlink(&point, &link).unwrap();
    let verb = |image: &str, verb| agent(&["Filesystem", image, &link, "ext4", "loop", verb]);

    assert_eq!(verb(&image[0], "start").0, 5, "the mount point is missing");
    fs::create_dir(&point).unwrap();
    assert_eq!(verb("/absent.img", "start").0, 5, "the device is missing");
    assert_eq!(code(&["Filesystem", "-U0123-absent", &point, "ext4", "start"]), 5);
    assert_eq!(verb(&image[0], "status"), state(3, "stopped"));
    assert_eq!(verb(&image[0], "stop").0, 0);

    assert_eq!(verb(&image[0], "start").0, 0);
    assert_eq!(verb(&image[0], "status"), state(0, "running"));
    assert_eq!(verb(&image[0], "announce").0, 0, "there is nothing to announce");
    assert_eq!(verb(&image[0], "start").0, 0, "what is mounted already is success");
    assert_eq!(verb(&image[1], "start").0, 1, "but not where something else is mounted");
    assert_eq!(output("cat /proc/self/mountinfo").matches("mount\\040point").count(), 1);

    // Everything that can keep it: processes, one that shuts its ears, a mount below it, a second view of it.
    let elsewhere = directory.path().join("elsewhere").display().to_string();
    let below = format!("{point}/below");
    for path in [&elsewhere, &below] {
        fs::create_dir(path).unwrap();
    }
    fs::File::create(format!("{point}/file")).unwrap().write_all(b"kept").unwrap();
    run_words(&["mount", "-t", "tmpfs", "tmpfs", &below]);
    run_words(&["mount", "--bind", &point, &elsewhere]);
    let mut holders = [
        process_in(&point, "true"),
        process_in(&below, "true"),
        process_in(&elsewhere, "trap '' TERM"),
        process_in("/", &format!("exec 3<'{point}/file'")),
    ];
    assert_eq!(verb(&image[0], "stop").0, 0);
    assert_eq!(verb(&image[0], "status"), state(3, "stopped"));
    let mounts = output("cat /proc/self/mountinfo");
    assert!(!mounts.contains("mount\\040point") && !mounts.contains("elsewhere"), "{mounts}");
    for holder in &mut holders {
        assert!(!holder.wait().unwrap().success());
    }

    assert_eq!(verb(&image[0], "start").0, 0);
    assert_eq!(fs::read_to_string(format!("{point}/file")).unwrap(), "kept");
    assert_eq!(verb(&image[0], "stop").0, 0);
}

#[test]
fn a_file_system_that_the_kernel_itself_uses_is_not_said_to_be_stopped() {
    if !entered("a_file_system_that_the_kernel_itself_uses_is_not_said_to_be_stopped") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let [point, nested] = ["point", "nested"].map(|name| directory.path().join(name).display().to_string());
    for path in [&point, &nested] {
        fs::create_dir(path).unwrap();
    }
    let tmpfs = |verb| agent(&["Filesystem", "tmpfs", &point, "tmpfs", "size=16m", verb]);
    assert_eq!(tmpfs("start").0, 0);
    let image = image(Path::new(&point), "nested.img");
    run_words(&["mount", "-o", "loop", &image, &nested]);
    assert_eq!(tmpfs("stop").0, 1);
    assert_eq!(tmpfs("status"), state(0, "running"));
    run_words(&["umount", &nested]);
    assert_eq!(tmpfs("stop").0, 0);
}

#[test]
fn a_directory_is_mounted_in_a_second_place() {
    if !entered("a_directory_is_mounted_in_a_second_place") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let [data, other, point] =
        ["data", "other", "point"].map(|name| directory.path().join(name).display().to_string());
    for path in [&data, &other, &point] {
        fs::create_dir(path).unwrap();
    }
    let verb = |source: &str, verb| agent(&["Filesystem", source, &point, "none", "bind", verb]);
    assert_eq!(verb(&data, "start").0, 0);
    assert_eq!(verb(&data, "start").0, 0);
    assert_eq!(verb(&other, "start").0, 1);
    fs::write(format!("{data}/file"), "seen").unwrap();
    assert_eq!(fs::read_to_string(format!("{point}/file")).unwrap(), "seen");
    assert_eq!(verb(&data, "stop").0, 0);
    assert_eq!(verb(&data, "status"), state(3, "stopped"));
    assert_eq!(code(&["Filesystem", &data, &format!("{point}/absent"), "none", "bind", "start"]), 5);
}

#[test]
fn devices_are_found_by_their_tags_and_checked_where_they_need_it() {
    if !entered("devices_are_found_by_their_tags_and_checked_where_they_need_it") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let image = image(directory.path(), "tagged.img");
    let point = directory.path().join("point").display().to_string();
    fs::create_dir(&point).unwrap();
    let device = output(&format!("losetup --find --show {image}")).trim().to_owned();
    let tag = format!("-U{}", output(&format!("blkid -p -s UUID -o value {device}")).trim());
    let by_tag = |verb| agent(&["Filesystem", &tag, &point, verb]);
    // No type is given: fsck(8) and mount(8) find it out.
    assert_eq!(by_tag("start").0, 0);
    assert_eq!(by_tag("start").0, 0);
    assert_eq!(code(&["Filesystem", &device, &point, "ext4", "start"]), 0, "the same device by another name");
    assert_eq!(by_tag("stop").0, 0);

    run(&format!("dd if=/dev/urandom of={device} bs=1M count=8 conv=notrunc status=none"));
    assert_eq!(code(&["Filesystem", &device, &point, "ext2", "start"]), 1, "beyond repair");
    run(&format!("losetup --detach {device}"));
}

fn run_words(words: &[&str]) {
    let (program, arguments) = words.split_first().unwrap();
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{words:?}");
}
