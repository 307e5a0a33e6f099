//! What `haresources` says about an address: `IP[/PREFIX[/INTERFACE[:LABEL]][/BROADCAST]]`.
//! Nothing here asks the host; what was left out is found in `ipaddr.rs`.

use std::net::{IpAddr, Ipv4Addr};

/// The longest interface name or label that Linux takes, in bytes.
const NAME_BYTES_MAX: usize = 15;

/// Which addresses an agent takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    Any,
}

/// An address and as much of its surroundings as was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IpArgument {
    pub(super) address: IpAddr,
    /// Bits of the network part, 0 to 32 or 128.
    pub(super) prefix_length: Option<u8>,
    pub(super) interface: Option<String>,
    /// The whole label, `eth0:web`.
    pub(super) label: Option<String>,
    pub(super) broadcast: Option<Ipv4Addr>,
}

/// What is wrong with the argument of an address agent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IpArgumentError {
    #[error("an address is needed: IP[/PREFIX[/INTERFACE[:LABEL]][/BROADCAST]]")]
    Missing,
    #[error("{0:?} is not an IP address")]
    Address(String),
    #[error("{0} is an IPv6 address; use IPv6addr for it")]
    NeedsV4(IpAddr),
    #[error("{0} is an IPv4 address; use IPaddr for it")]
    NeedsV6(IpAddr),
    #[error("{0} cannot be assigned to an interface")]
    Unassignable(IpAddr),
    #[error("{0:?} is neither a prefix length of this family of addresses nor a network mask")]
    Prefix(String),
    #[error("{0:?} is not a name that an interface or a label can have")]
    Name(String),
    #[error("an IPv6 address cannot have the label {0:?}")]
    LabelOfV6(String),
    #[error("{0:?} is not an IPv4 broadcast address")]
    Broadcast(String),
    #[error("{0:?} is one part too many: IP[/PREFIX[/INTERFACE[:LABEL]][/BROADCAST]]")]
    TooMany(String),
}

impl IpArgument {
    /// Reads the arguments of an address agent. An IPv6 address with `::` arrives in two pieces, since `::` also
    /// separates arguments in `haresources`; it is put together again.
    pub(super) fn parse(arguments: &[String], family: Family) -> Result<Self, IpArgumentError> {
        match arguments {
            [] => Err(IpArgumentError::Missing),
            [one] => Self::parse_text(one, family),
            [_, second, ..] if family == Family::V4 => Err(IpArgumentError::TooMany(second.clone())),
            pieces => Self::parse_text(&pieces.join("::"), family),
        }
    }

    fn parse_text(text: &str, family: Family) -> Result<Self, IpArgumentError> {
        let mut parts = text.split('/');
        let address = parse_address(parts.next().unwrap_or_default(), family)?;
        let prefix_length = optional(parts.next()).map(|part| parse_prefix(part, address)).transpose()?;

        let mut third = optional(parts.next());
        let mut fourth = optional(parts.next());
        if let Some(part) = parts.next() {
            return Err(IpArgumentError::TooMany(part.to_owned()));
        }
        let third_is_broadcast =
            address.is_ipv4() && third.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        if third_is_broadcast {
            if let Some(part) = fourth {
                return Err(IpArgumentError::TooMany(part.to_owned()));
            }
            fourth = third.take();
        }

        let (interface, label) = third.map(|part| parse_interface(part, address)).transpose()?.unzip();
        let broadcast = fourth.map(|part| parse_broadcast(part, address)).transpose()?;
        Ok(Self { address, prefix_length, interface, label: label.flatten(), broadcast })
    }
}

fn optional(part: Option<&str>) -> Option<&str> {
    part.filter(|part| !part.is_empty())
}

fn parse_address(part: &str, family: Family) -> Result<IpAddr, IpArgumentError> {
    let address: IpAddr = part.parse().map_err(|_| IpArgumentError::Address(part.to_owned()))?;
    match (family, address) {
        (Family::V4, IpAddr::V6(_)) => return Err(IpArgumentError::NeedsV4(address)),
        (Family::V6, IpAddr::V4(_)) => return Err(IpArgumentError::NeedsV6(address)),
        _ => {}
    }
    let limited_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_unspecified() || address.is_multicast() || limited_broadcast {
        return Err(IpArgumentError::Unassignable(address));
    }
    Ok(address)
}

fn parse_prefix(part: &str, address: IpAddr) -> Result<u8, IpArgumentError> {
    let bad = || IpArgumentError::Prefix(part.to_owned());
    if address.is_ipv4()
        && let Ok(mask) = part.parse::<Ipv4Addr>()
    {
        return mask_bits(mask).ok_or_else(bad);
    }
    let most = if address.is_ipv4() { 32 } else { 128 };
    part.parse().ok().filter(|bits| *bits <= most).ok_or_else(bad)
}

/// The ones of a contiguous network mask.
fn mask_bits(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let ones = bits.leading_ones();
    if ones + bits.trailing_zeros().min(32) < 32 {
        return None;
    }
    u8::try_from(ones).ok()
}

fn parse_interface(part: &str, address: IpAddr) -> Result<(String, Option<String>), IpArgumentError> {
    let interface = part.split_once(':').map_or(part, |(interface, _)| interface);
    let label = (interface != part).then(|| part.to_owned());
    if interface.is_empty()
        || part.ends_with(':')
        || part.len() > NAME_BYTES_MAX
        || part.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(IpArgumentError::Name(part.to_owned()));
    }
    match label {
        Some(label) if address.is_ipv6() => Err(IpArgumentError::LabelOfV6(label)),
        label => Ok((interface.to_owned(), label)),
    }
}

fn parse_broadcast(part: &str, address: IpAddr) -> Result<Ipv4Addr, IpArgumentError> {
    part.parse().ok().filter(|_| address.is_ipv4()).ok_or_else(|| IpArgumentError::Broadcast(part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<IpArgument, IpArgumentError> {
        IpArgument::parse(&[text.to_owned()], Family::Any)
    }

    /// Address, prefix length, interface, label, broadcast; `-` for what was not written.
    fn shown(argument: &IpArgument) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        format!(
            "{} {} {} {} {}",
            argument.address,
            or_dash(argument.prefix_length.map(|bits| bits.to_string())),
            or_dash(argument.interface.clone()),
            or_dash(argument.label.clone()),
            or_dash(argument.broadcast.map(|address| address.to_string())),
        )
    }

    #[test]
    fn every_form_of_the_argument_is_read() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1 - - - -"),
            ("10.0.0.1/24", "10.0.0.1 24 - - -"),
            ("10.0.0.1/255.255.252.0", "10.0.0.1 22 - - -"),
            ("10.0.0.1/0.0.0.0", "10.0.0.1 0 - - -"),
            ("10.0.0.1/255.255.255.255", "10.0.0.1 32 - - -"),
            ("10.0.0.1/24/eth0", "10.0.0.1 24 eth0 - -"),
            ("10.0.0.1/24/eth0:web", "10.0.0.1 24 eth0 eth0:web -"),
            ("10.0.0.1/24/eth0:0/10.0.0.255", "10.0.0.1 24 eth0 eth0:0 10.0.0.255"),
            ("10.0.0.1/24/10.0.0.255", "10.0.0.1 24 - - 10.0.0.255"),
            ("10.0.0.1//eth0", "10.0.0.1 - eth0 - -"),
            ("10.0.0.1/24/eth0/", "10.0.0.1 24 eth0 - -"),
            ("10.0.0.1/24/eth0.100", "10.0.0.1 24 eth0.100 - -"),
            ("2001:db8::1/64/eth0", "2001:db8::1 64 eth0 - -"),
            ("fe80::1//br-lan", "fe80::1 - br-lan - -"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, expected) in [
            ("", IpArgumentError::Address(String::new())),
            ("10.0.0", IpArgumentError::Address("10.0.0".to_owned())),
            ("10.0.0.1/33", IpArgumentError::Prefix("33".to_owned())),
            ("10.0.0.1/-1", IpArgumentError::Prefix("-1".to_owned())),
            ("10.0.0.1/eth0", IpArgumentError::Prefix("eth0".to_owned())),
            ("10.0.0.1/255.0.255.0", IpArgumentError::Prefix("255.0.255.0".to_owned())),
            ("2001:db8::1/129", IpArgumentError::Prefix("129".to_owned())),
            ("10.0.0.1/24/eth0:", IpArgumentError::Name("eth0:".to_owned())),
            ("10.0.0.1/24/interface-too-long", IpArgumentError::Name("interface-too-long".to_owned())),
            ("10.0.0.1/24/eth0/b", IpArgumentError::Broadcast("b".to_owned())),
            ("10.0.0.1/24/10.0.0.255/eth0", IpArgumentError::TooMany("eth0".to_owned())),
            ("10.0.0.1/24/eth0/10.0.0.255/x", IpArgumentError::TooMany("x".to_owned())),
            ("2001:db8::1/64/eth0:a", IpArgumentError::LabelOfV6("eth0:a".to_owned())),
            ("0.0.0.0", IpArgumentError::Unassignable(Ipv4Addr::UNSPECIFIED.into())),
            ("255.255.255.255", IpArgumentError::Unassignable(Ipv4Addr::BROADCAST.into())),
            ("224.0.0.18", IpArgumentError::Unassignable(Ipv4Addr::new(224, 0, 0, 18).into())),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_split_at_its_colons_is_put_together_again() {
        let pieces = ["2001:db8".to_owned(), "1/64/eth0".to_owned()];
        let argument = IpArgument::parse(&pieces, Family::V6).unwrap();
        assert_eq!(shown(&argument), "2001:db8::1 64 eth0 - -");
    }

    #[test]
    fn ipaddr_takes_one_argument() {
        let pieces = ["10.0.0.1".to_owned(), "eth0".to_owned()];
        assert_eq!(IpArgument::parse(&pieces, Family::V4), Err(IpArgumentError::TooMany("eth0".to_owned())));
    }
}
