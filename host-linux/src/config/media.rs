//! The directives of `ha.cf` that name media and ping nodes. A medium keeps the port and baud rate of its line.
//! Opens nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::directives::Outcome;
use super::ha_cf::HaCf;
use super::model::{Medium, PingNode};
use super::source::{Finding, Span, Word, is_blank, words};
use super::system::{FileKind, Interface, System};
use super::values::{closest, parse_whole};

/// The most heartbeat media.
pub(super) const MEDIA_MAX: usize = 16;
/// The most ping nodes and ping groups together.
pub(super) const PINGS_MAX: usize = 16;

/// The speeds that a serial line may have, in bits per second.
pub const BAUD_RATES: &[u32] = &[9600, 19200, 38400, 57600, 115_200, 230_400, 460_800];
const SERVICE: &str = "ha-cluster";
const PORT: u16 = 694;

/// The port of `ha-cluster/udp` in `/etc/services`, else the registered one.
pub(super) fn default_port(system: &dyn System) -> u16 {
    system.udp_services().into_iter().find(|(name, _)| name == SERVICE).map_or(PORT, |(_, port)| port)
}

pub(super) fn baud(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let rate = BAUD_RATES.iter().copied().find(|rate| rate.to_string() == word.text).ok_or_else(|| {
        let rates: Vec<String> = BAUD_RATES.iter().map(u32::to_string).collect();
        word.finding(
            format!("invalid baud rate `{}`", word.text),
            format!("write one of {}", rates.join(" ")),
        )
    })?;
    ha_cf.baud = rate;
    let earlier =
        ha_cf.media.iter().find(|(medium, _)| matches!(medium, Medium::Serial { baud, .. } if *baud != rate));
    warn_of_order(ha_cf, word, earlier.map(|(_, span)| *span), "baud", "serial");
    Ok(())
}

pub(super) fn udpport(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let services = ha_cf.system.udp_services();
    let by_name = || services.iter().find(|(name, _)| name == word.text).map(|(_, port)| *port);
    let port = port(word.text).or_else(by_name).ok_or_else(|| {
        word.finding(format!("invalid port `{}`", word.text), "write a UDP port, 1 to 65535")
    })?;
    if let Some((name, _)) = services.iter().find(|(name, known)| *known == port && name != SERVICE) {
        ha_cf.warn(
            word.span,
            format!("UDP port {port} is reserved for service `{name}`"),
            "use 694 or a free port",
        );
    }
    ha_cf.udp_port = port;
    let earlier = ha_cf.media.iter().find(|(medium, _)| {
        matches!(medium, Medium::Broadcast { port: kept, .. } | Medium::Unicast { port: kept, .. } if *kept != port)
    });
    warn_of_order(ha_cf, word, earlier.map(|(_, span)| *span), "udpport", "bcast, ucast");
    Ok(())
}

/// A medium takes what is known at its line, so a later setting does not reach it.
fn warn_of_order(ha_cf: &mut HaCf<'_>, word: Word<'_>, earlier: Option<Span>, setting: &str, media: &str) {
    if let Some(earlier) = earlier {
        let message =
            format!("this comes too late for the medium in line {}, which keeps its old value", earlier.line);
        ha_cf.warn(word.span, message, format!("move `{setting}` above all {media} lines"));
    }
}

pub(super) fn serial(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let device = word.text;
    if !device.starts_with('/') {
        let message = format!("serial port `{device}` is not a full path");
        return Err(word.finding(message, format!("write `/dev/{device}`")));
    }
    match ha_cf.system.file_info(Path::new(device)) {
        Err(error) => Err(word.finding(
            format!("there is no serial port `{device}`: {error}"),
            "see `ls /dev/serial/by-path /dev/ttyS* /dev/ttyUSB*`",
        )),
        Ok(info) if info.kind != FileKind::CharacterDevice => Err(word.finding(
            format!("`{device}` is not a character device"),
            "name a serial port such as `/dev/ttyS0`",
        )),
        Ok(_) => {
            let baud = ha_cf.baud;
            add(ha_cf, Medium::Serial { device: PathBuf::from(device), baud }, word)
        }
    }
}

pub(super) fn bcast(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let interface = interface(ha_cf, word)?;
    if interface.broadcast.is_none() {
        ha_cf.warn(
            word.span,
            format!("interface `{}` has no broadcast address; heartbeats would reach nobody", interface.name),
            format!("give it one (`ip address change ADDRESS/PREFIX broadcast + dev {}`)", interface.name),
        );
    }
    let port = ha_cf.udp_port;
    add(ha_cf, Medium::Broadcast { interface: interface.name, port }, word)
}

pub(super) fn udp(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.warn(word.span, "`udp` is the old name of `bcast`", "write `bcast`");
    bcast(ha_cf, word)
}

pub(super) fn ucast(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    unicast(ha_cf, line, "ucast", "IPv4", IpAddr::is_ipv4)
}

pub(super) fn ucast6(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    unicast(ha_cf, line, "ucast6", "IPv6", IpAddr::is_ipv6)
}

fn unicast(
    ha_cf: &mut HaCf<'_>,
    line: Word<'_>,
    name: &str,
    family: &str,
    of_family: fn(&IpAddr) -> bool,
) -> Outcome {
    let [device, host] = fields(ha_cf, line, name, ["DEVICE", "HOST"])?;
    let interface = interface(ha_cf, device)?.name;
    // A scope repeats the device.
    let address = host.text.strip_suffix(&format!("%{interface}")).unwrap_or(host.text);
    let peer = resolve(ha_cf, host, address)?.into_iter().find(of_family).ok_or_else(|| {
        host.finding(
            format!("`{}` has no {family} address", host.text),
            "use `ucast` for IPv4, `ucast6` for IPv6",
        )
    })?;
    let port = ha_cf.udp_port;
    add(ha_cf, Medium::Unicast { interface, peer, port }, line)
}

pub(super) fn mcast(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    let [device, group, port, ttl, loopback] =
        fields(ha_cf, line, "mcast", ["DEVICE", "GROUP", "PORT", "TTL", "LOOP"])?;
    let interface = interface(ha_cf, device)?.name;
    let group = group.text.parse().ok().filter(Ipv4Addr::is_multicast).ok_or_else(|| {
        let message = format!("`{}` is not an IPv4 multicast address", group.text);
        group.finding(message, "write one of 224.0.0.0/4, for example `239.0.0.42`")
    })?;
    let (port, ttl, loopback) = multicast_numbers(port, ttl, loopback)?;
    add(ha_cf, Medium::Multicast { interface, group, port, ttl, loopback }, line)
}

pub(super) fn mcast6(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    let [device, group, port, hops, loopback] =
        fields(ha_cf, line, "mcast6", ["DEVICE", "GROUP", "PORT", "HOPS", "LOOP"])?;
    let interface = interface(ha_cf, device)?.name;
    let group = group.text.parse().ok().filter(Ipv6Addr::is_multicast).ok_or_else(|| {
        let message = format!("`{}` is not an IPv6 multicast address", group.text);
        group.finding(message, "write one of ff00::/8, for example `ff02::694`")
    })?;
    let (port, hops, loopback) = multicast_numbers(port, hops, loopback)?;
    add(ha_cf, Medium::Multicast6 { interface, group, port, hops, loopback }, line)
}

fn multicast_numbers(
    port_word: Word<'_>,
    hops: Word<'_>,
    loopback: Word<'_>,
) -> Result<(u16, u8, bool), Finding> {
    let port = port(port_word.text)
        .ok_or_else(|| port_word.finding(format!("bad port `{}`", port_word.text), "write 1 to 65535"))?;
    let hops =
        parse_whole(hops.text, 0, 4).and_then(|number| u8::try_from(number).ok()).ok_or_else(|| {
            hops.finding(format!("bad ttl `{}`", hops.text), "write 0 to 4, `1` for the local network")
        })?;
    let loopback = match loopback.text {
        "0" => false,
        "1" => true,
        other => {
            return Err(loopback.finding(format!("bad loop `{other}`"), "write `0` (or `1` to hear oneself)"));
        }
    };
    Ok((port, hops, loopback))
}

pub(super) fn ping(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    let host = first_address(ha_cf, word)?;
    add_ping(ha_cf, PingNode { name: word.text.to_owned(), hosts: vec![host] }, word)
}

pub(super) fn ping_group(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    let words = words(line.text, line.span.line, line.span.column, is_blank);
    let Some((name, hosts)) = words.split_first().filter(|(_, hosts)| !hosts.is_empty()) else {
        return Err(line
            .finding("a ping group needs a name and at least one host", "write `ping_group NAME HOST...`"));
    };
    let hosts = hosts.iter().map(|host| first_address(ha_cf, *host)).collect::<Result<_, _>>()?;
    add_ping(ha_cf, PingNode { name: name.text.to_owned(), hosts }, *name)
}

fn first_address(ha_cf: &HaCf<'_>, word: Word<'_>) -> Result<IpAddr, Finding> {
    let addresses = resolve(ha_cf, word, word.text)?;
    addresses
        .first()
        .copied()
        .ok_or_else(|| word.finding(format!("`{}` has no address", word.text), RESOLVE_REMEDY))
}

const RESOLVE_REMEDY: &str = "write its address, which needs no name service, or put it into /etc/hosts";

fn resolve(ha_cf: &HaCf<'_>, word: Word<'_>, host: &str) -> Result<Vec<IpAddr>, Finding> {
    ha_cf
        .system
        .resolve(host)
        .map_err(|error| word.finding(format!("unknown host `{}`: {error}", word.text), RESOLVE_REMEDY))
}

/// The fields of a whole-line directive; an error names the first that is missing.
fn fields<'t, const N: usize>(
    ha_cf: &mut HaCf<'_>,
    line: Word<'t>,
    directive: &str,
    names: [&str; N],
) -> Result<[Word<'t>; N], Finding> {
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let usage = format!("write `{directive} {}`", names.join(" "));
    if let Some(surplus) = found.get(N) {
        ha_cf.warn(surplus.span, format!("`{}` and what follows is ignored", surplus.text), usage.as_str());
    }
    let given = found.len().min(N);
    <[Word<'t>; N]>::try_from(found.get(..N).unwrap_or_default()).map_err(|_| {
        let missing = names.get(given).copied().unwrap_or_default();
        line.finding(format!("`{directive}` lacks its {missing}"), usage)
    })
}

fn interface(ha_cf: &HaCf<'_>, word: Word<'_>) -> Result<Interface, Finding> {
    let interfaces = ha_cf
        .system
        .interfaces()
        .map_err(|error| word.finding(format!("cannot list the interfaces: {error}"), ""))?;
    let names = interfaces.iter().map(|interface| interface.name.as_str());
    let remedy = closest(word.text, names)
        .map_or("see `ip link` for the interfaces".to_owned(), |near| format!("did you mean `{near}`?"));
    interfaces
        .into_iter()
        .find(|interface| interface.name == word.text)
        .ok_or_else(|| word.finding(format!("interface `{}` does not exist", word.text), remedy))
}

fn port(text: &str) -> Option<u16> {
    parse_whole(text, 1, u16::MAX.into()).and_then(|port| u16::try_from(port).ok())
}

fn add(ha_cf: &mut HaCf<'_>, medium: Medium, word: Word<'_>) -> Outcome {
    let same = |known: &Medium| match (known, &medium) {
        (Medium::Serial { device, .. }, Medium::Serial { device: new, .. }) => device == new,
        _ => *known == medium,
    };
    if let Some((_, first)) = ha_cf.media.iter().find(|(known, _)| same(known)) {
        let witness = ha_cf.witness.as_ref().map(|(witness, _)| &witness.device);
        if matches!(&medium, Medium::Serial { device, .. } if Some(device) == witness) {
            return Ok(());
        }
        let message = format!("this medium is listed already in line {}", first.line);
        ha_cf.warn(word.span, message, "remove one of the two; it counts once");
        return Ok(());
    }
    if ha_cf.media.len() == MEDIA_MAX {
        return Err(
            word.finding(format!("more than {MEDIA_MAX} heartbeat media"), "keep the most independent ones")
        );
    }
    ha_cf.media.push((medium, word.span));
    Ok(())
}

fn add_ping(ha_cf: &mut HaCf<'_>, ping: PingNode, word: Word<'_>) -> Outcome {
    if let Some((_, first)) = ha_cf.pings.iter().find(|(known, _)| known.name == ping.name) {
        let message = format!("ping node `{}` is listed already in line {}", ping.name, first.line);
        ha_cf.warn(word.span, message, "remove one of the two; it counts once");
        return Ok(());
    }
    if ha_cf.pings.len() == PINGS_MAX {
        return Err(word.finding(format!("more than {PINGS_MAX} ping nodes"), "keep the most telling ones"));
    }
    ha_cf.pings.push((ping, word.span));
    Ok(())
}
