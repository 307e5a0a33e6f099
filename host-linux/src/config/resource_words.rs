//! One word of `haresources`: its agent, its arguments, and whether it is well formed. Looks at no file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::model::Resource;
use super::source::{Finding, Word};
use crate::agents;

/// Reads a resource word.
pub(super) fn read(word: Word<'_>) -> Result<Resource, Finding> {
    let text = word.text;
    let (agent, arguments) = if is_address_shorthand(text) {
        ("IPaddr", vec![text.to_owned()])
    } else {
        let (agent, rest) = text.split_once("::").unwrap_or((text, ""));
        (agent, arguments(agent, rest))
    };
    let resource = Resource { text: text.to_owned(), agent: agent.to_owned(), arguments, limits: None };
    match check(&resource) {
        Ok(()) => Ok(resource),
        Err((message, remedy)) => Err(word.finding(message, remedy)),
    }
}

/// What the shell pattern `[0-9]*.[0-9]*.[0-9]*.[0-9]*` matches.
fn is_address_shorthand(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dots_before_digits =
        bytes.windows(2).filter(|pair| matches!(pair, [b'.', digit] if digit.is_ascii_digit())).count();
    bytes.first().is_some_and(u8::is_ascii_digit) && dots_before_digits >= 3
}

fn arguments(agent: &str, rest: &str) -> Vec<String> {
    // The original cuts an IPv6 address at its `::`.
    let address = rest.split('/').next().unwrap_or_default();
    if agent == "IPv6addr" && address.parse::<Ipv6Addr>().is_ok() {
        return vec![rest.to_owned()];
    }
    rest.split("::").filter(|argument| !argument.is_empty()).map(str::to_owned).collect()
}

type Complaint = (String, String);

fn check(resource: &Resource) -> Result<(), Complaint> {
    let agent = resource.agent.as_str();
    if let Some(name) = agent.strip_prefix("ocf:") {
        return check_ocf(resource, name);
    }
    if let Some(unit) = agent.strip_prefix("systemd:") {
        return check_systemd(resource, unit);
    }
    if agent.is_empty() {
        return Err(complaint("the resource has no script name", "write `SCRIPT::ARGUMENT::ARGUMENT`"));
    }
    if agent.contains('/') || agent.starts_with('.') {
        return Err(complaint(
            format!("`{agent}` is not the name of a script"),
            "write the name alone; scripts are looked for in resource.d and /etc/init.d",
        ));
    }
    match (agent, resource.arguments.as_slice()) {
        ("IPaddr" | "IPaddr2", [argument, ..]) => check_ipv4(argument),
        ("IPv6addr", [argument, ..]) => check_ipv6(argument),
        ("Filesystem", arguments) => match agents::filesystem_complaint(arguments) {
            Some(message) => Err(complaint(
                message,
                "write `Filesystem::DEVICE::MOUNTPOINT::FSTYPE::OPTIONS`; the last two may be left out",
            )),
            None => Ok(()),
        },
        ("IPaddr" | "IPaddr2" | "IPv6addr", []) => {
            Err(complaint(format!("`{agent}` has no address"), format!("write `{agent}::ADDRESS/PREFIX`")))
        }
        _ => Ok(()),
    }
}

fn check_ocf(resource: &Resource, name: &str) -> Result<(), Complaint> {
    const USAGE: &str = "write `ocf:PROVIDER:AGENT::name=value::name=value`";
    let well_formed =
        name.split_once(':').is_some_and(|(provider, agent)| is_file_name(provider) && is_file_name(agent));
    if !well_formed {
        return Err(complaint(format!("`ocf:{name}` does not name a provider and an agent"), USAGE));
    }
    let is_parameter =
        |argument: &&String| argument.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    match resource.arguments.iter().find(|argument| !is_parameter(argument)) {
        Some(argument) => Err(complaint(format!("`{argument}` is not a parameter of an OCF agent"), USAGE)),
        None => Ok(()),
    }
}

fn check_systemd(resource: &Resource, unit: &str) -> Result<(), Complaint> {
    if !is_file_name(unit) {
        return Err(complaint(format!("`{unit}` is not the name of a unit"), "write `systemd:UNIT`"));
    }
    if !resource.arguments.is_empty() {
        return Err(complaint(format!("unit `{unit}` takes no arguments"), "write `systemd:UNIT`"));
    }
    Ok(())
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', ':'])
}

/// `IP[/PREFIX[/IFACE[:LABEL]][/BROADCAST]]`; a third part that begins with a digit is the broadcast address.
fn check_ipv4(argument: &str) -> Result<(), Complaint> {
    const USAGE: &str =
        "write `ADDRESS/PREFIX/INTERFACE:LABEL/BROADCAST`; all but the address may be left out";
    let parts: Vec<&str> = argument.split('/').collect();
    let [address, options @ ..] = parts.as_slice() else { return Ok(()) };
    if address.parse::<Ipv4Addr>().is_err() {
        return Err(complaint(format!("`{address}` is not an IPv4 address"), USAGE));
    }
    if let Some(prefix) = options.first().filter(|prefix| !is_prefix(prefix, 32)) {
        return Err(complaint(format!("`{prefix}` is not a prefix length from 1 to 32"), USAGE));
    }
    let (interface, broadcast) = match options.get(1..).unwrap_or_default() {
        [] => (None, None),
        [third] if third.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(*third)),
        [interface] => (Some(*interface), None),
        [interface, broadcast] => (Some(*interface), Some(*broadcast)),
        _ => return Err(complaint(format!("`{argument}` has too many parts"), USAGE)),
    };
    if let Some(interface) = interface.filter(|interface| !is_interface(interface)) {
        return Err(complaint(format!("`{interface}` is not the name of an interface"), USAGE));
    }
    if let Some(broadcast) = broadcast.filter(|broadcast| broadcast.parse::<Ipv4Addr>().is_err()) {
        return Err(complaint(format!("`{broadcast}` is not a broadcast address"), USAGE));
    }
    Ok(())
}

fn check_ipv6(argument: &str) -> Result<(), Complaint> {
    const USAGE: &str = "write `IPv6addr::ADDRESS/PREFIX/INTERFACE`; prefix and interface may be left out";
    let mut parts = argument.split('/');
    let address = parts.next().unwrap_or_default();
    if address.parse::<Ipv6Addr>().is_err() {
        return Err(complaint(format!("`{address}` is not an IPv6 address"), USAGE));
    }
    if let Some(prefix) = parts.next().filter(|prefix| !is_prefix(prefix, 128)) {
        return Err(complaint(format!("`{prefix}` is not a prefix length from 1 to 128"), USAGE));
    }
    if let Some(interface) = parts.next().filter(|interface| !is_interface(interface)) {
        return Err(complaint(format!("`{interface}` is not the name of an interface"), USAGE));
    }
    match parts.next() {
        Some(_) => Err(complaint(format!("`{argument}` has too many parts"), USAGE)),
        None => Ok(()),
    }
}

fn is_prefix(text: &str, most: u32) -> bool {
    super::values::parse_whole(text, 1, most).is_some()
}

/// An interface, possibly with a label behind a colon.
fn is_interface(text: &str) -> bool {
    const NAME_BYTES_MAX: usize = 15;
    let name = text.split(':').next().unwrap_or_default();
    !name.is_empty() && text.len() <= NAME_BYTES_MAX
}

fn complaint(message: impl Into<String>, remedy: impl Into<String>) -> Complaint {
    (message.into(), remedy.into())
}

/// The agents of Debian's package that hold an address, and the names of their parameters for it and its interface.
const OCF_ADDRESS_AGENTS: [(&str, &str, &str); 3] = [
    ("ocf:heartbeat:IPaddr", "ip", "nic"),
    ("ocf:heartbeat:IPaddr2", "ip", "nic"),
    ("ocf:heartbeat:IPv6addr", "ipv6addr", "nic"),
];

/// The floating address of an address resource, and the interface if one is named.
pub(crate) fn floating_address(resource: &Resource) -> Option<(IpAddr, Option<&str>)> {
    if let Some((_, address, interface)) = OCF_ADDRESS_AGENTS.iter().find(|it| it.0 == resource.agent) {
        let parameters = || resource.arguments.iter().rev().filter_map(|argument| argument.split_once('='));
        let value = |wanted: &str| parameters().find(|it| it.0 == wanted).map(|it| it.1);
        // Its prefix length may stand behind an IPv6 address.
        let address = value(address)?.split('/').next()?.parse().ok()?;
        return Some((address, value(interface)));
    }
    if !matches!(resource.agent.as_str(), "IPaddr" | "IPaddr2" | "IPv6addr") {
        return None;
    }
    let mut parts = resource.arguments.first()?.split('/');
    let address = parts.next()?.parse().ok()?;
    let third = parts.nth(1).filter(|third| !third.starts_with(|c: char| c.is_ascii_digit()));
    Some((address, third.and_then(|interface| interface.split(':').next())))
}

#[cfg(test)]
mod tests {
    use super::super::source::Span;
    use super::*;

    fn read_text(text: &str) -> Result<Resource, Finding> {
        read(Word { text, span: Span { line: 1, column: 1, length: 1 } })
    }

    #[test]
    fn words_are_divided_as_the_original_divides_them() {
        let table: [(&str, &str, &[&str]); 12] = [
            ("apache", "apache", &[]),
            ("LVM::vg0", "LVM", &["vg0"]),
            ("Filesystem::/dev/sdb1::/data::ext4", "Filesystem", &["/dev/sdb1", "/data", "ext4"]),
            ("svc::::b", "svc", &["b"]),
            ("10.0.0.1", "IPaddr", &["10.0.0.1"]),
            ("10.0.0.1/24/eth0/10.0.0.255", "IPaddr", &["10.0.0.1/24/eth0/10.0.0.255"]),
            ("10.0.0.1/24/eth0:1", "IPaddr", &["10.0.0.1/24/eth0:1"]),
            ("IPaddr2::10.0.0.1/24/10.0.0.255", "IPaddr2", &["10.0.0.1/24/10.0.0.255"]),
            ("IPv6addr::2001:db8:0:0:0:0:0:1/64", "IPv6addr", &["2001:db8:0:0:0:0:0:1/64"]),
            ("IPv6addr::2001:db8::1/64/eth0", "IPv6addr", &["2001:db8::1/64/eth0"]),
            ("ocf:heartbeat:pgsql::pgdata=/d::port=1", "ocf:heartbeat:pgsql", &["pgdata=/d", "port=1"]),
            ("systemd:nginx", "systemd:nginx", &[]),
        ];
        for (text, agent, arguments) in table {
            let resource = read_text(text).unwrap();
            assert_eq!((resource.text.as_str(), resource.agent.as_str()), (text, agent));
            assert_eq!(resource.arguments, arguments, "{text}");
        }
    }

    #[test]
    fn malformed_words_are_refused() {
        for text in [
            "::a",
            "/etc/init.d/apache",
            "../x",
            "10.0.0.300",
            "10.0.0.1.5",
            "10.0.0.1/33",
            "10.0.0.1/0",
            "10.0.0.1/24/averylonginterfacename",
            "10.0.0.1/24/eth0/x",
            "10.0.0.1/24/eth0/10.0.0.255/y",
            "10.0.0.1/24/1eth",
            "10.0.0.1/24//",
            "IPaddr",
            "IPaddr::host.example",
            "Filesystem",
            "Filesystem::/dev/sdb1",
            "Filesystem::/dev/sdb1::data",
            "Filesystem::/dev/sdb1::/data::ext4::noatime::ro",
            "IPv6addr::10.0.0.1",
            "IPv6addr::::1/200",
            "ocf:heartbeat",
            "ocf:heartbeat:x/y",
            "ocf:heartbeat:pgsql::port",
            "systemd:",
            "systemd:nginx::x",
        ] {
            assert!(read_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn floating_addresses_are_found() {
        let address = |text| {
            read_text(text).ok().and_then(|r| floating_address(&r).map(|(a, i)| (a, i.map(str::to_owned))))
        };
        let ip = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(address("10.0.0.1"), Some((ip, None)));
        assert_eq!(address("10.0.0.1/24/eth0:2"), Some((ip, Some("eth0".to_owned()))));
        assert_eq!(address("10.0.0.1/24/10.0.0.255"), Some((ip, None)));
        assert_eq!(address("ocf:heartbeat:IPaddr2::ip=10.0.0.1"), Some((ip, None)));
        let named = address("ocf:heartbeat:IPaddr2::nic=eth0::ip=10.0.0.1::cidr_netmask=24");
        assert_eq!(named, Some((ip, Some("eth0".to_owned()))));
        let v6 = address("ocf:heartbeat:IPv6addr::ipv6addr=2001:db8:0:0:0:0:0:1/64");
        assert_eq!(v6, Some(("2001:db8::1".parse().unwrap(), None)));
        for none in ["apache::10.0.0.1", "ocf:heartbeat:IPaddr2::nic=eth0", "ocf:heartbeat:IPaddr2::ip=web"] {
            assert_eq!(address(none), None, "{none}");
        }
    }
}
