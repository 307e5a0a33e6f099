//! The few kinds of rtnetlink messages that are asked for and understood here, and their bytes. The library's own list
//! of all kinds would bring the code of hundreds that nobody needs into memory that is locked.

use netlink_packet_core::{
    DecodeError, Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkPayload, NetlinkSerializable,
    NlasIterator, Parseable,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkHeader;
use netlink_packet_route::route::RouteMessage;
use nix::libc;

/// A message between the kernel and us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    GetLink(LinkHeader),
    SetLink(LinkHeader),
    NewLink(Link),
    DelLink(Link),
    GetAddress(AddressMessage),
    NewAddress(AddressMessage),
    DelAddress(AddressMessage),
    GetRoute(RouteMessage),
    NewRoute(RouteMessage),
    /// Of a kind that nobody here asked for.
    Other(u16),
}

/// What the kernel tells of an interface, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Link {
    pub(crate) header: LinkHeader,
    pub(crate) name: Option<String>,
}

impl Link {
    fn parse(payload: &[u8]) -> Result<Self, DecodeError> {
        let header = LinkHeader::parse(payload)?;
        let attributes = payload.get(header.buffer_len()..).unwrap_or_default();
        let mut name = None;
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            if attribute.kind() == libc::IFLA_IFNAME {
                let text = attribute.value().split(|byte| *byte == 0).next().unwrap_or_default();
                name = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        Ok(Self { header, name })
    }
}

impl Message {
    /// What is to be written; nothing for what only the kernel says.
    fn content(&self) -> Option<&dyn Emitable> {
        match self {
            Self::GetLink(header) | Self::SetLink(header) => Some(header),
            Self::GetAddress(message) | Self::NewAddress(message) | Self::DelAddress(message) => {
                Some(message)
            }
            Self::GetRoute(message) | Self::NewRoute(message) => Some(message),
            Self::NewLink(_) | Self::DelLink(_) | Self::Other(_) => None,
        }
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        match self {
            Self::GetLink(_) => libc::RTM_GETLINK,
            Self::SetLink(_) => libc::RTM_SETLINK,
            Self::NewLink(_) => libc::RTM_NEWLINK,
            Self::DelLink(_) => libc::RTM_DELLINK,
            Self::GetAddress(_) => libc::RTM_GETADDR,
            Self::NewAddress(_) => libc::RTM_NEWADDR,
            Self::DelAddress(_) => libc::RTM_DELADDR,
            Self::GetRoute(_) => libc::RTM_GETROUTE,
            Self::NewRoute(_) => libc::RTM_NEWROUTE,
            Self::Other(kind) => *kind,
        }
    }

    fn buffer_len(&self) -> usize {
        self.content().map_or(0, Emitable::buffer_len)
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Some(content) = self.content() {
            content.emit(buffer);
        }
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(match header.message_type {
            libc::RTM_NEWLINK => Self::NewLink(Link::parse(payload)?),
            libc::RTM_DELLINK => Self::DelLink(Link::parse(payload)?),
            libc::RTM_NEWADDR => Self::NewAddress(AddressMessage::parse(payload)?),
            libc::RTM_DELADDR => Self::DelAddress(AddressMessage::parse(payload)?),
            libc::RTM_NEWROUTE => Self::NewRoute(RouteMessage::parse(payload)?),
            other => Self::Other(other),
        })
    }
}

impl From<Message> for NetlinkPayload<Message> {
    fn from(message: Message) -> Self {
        Self::InnerMessage(message)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NetlinkMessage;
    use netlink_packet_route::link::LinkFlags;

    use super::*;

    /// As the kernel sends it.
    fn told(kind: u16, content: &[u8]) -> Result<Message, DecodeError> {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        Message::deserialize(&header, content)
    }

    /// `eth0` with number 7, up, between attributes that mean nothing here.
    fn eth0() -> Vec<u8> {
        let header = LinkHeader { index: 7, flags: LinkFlags::Up, ..LinkHeader::default() };
        let mut content = vec![0; header.buffer_len()];
        header.emit(&mut content);
        content.extend([6, 0, 199, 0, 0xff, 0xff, 0, 0]);
        content.extend([9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
        content.extend([4, 0, 62, 128]);
        content
    }

    #[test]
    fn an_interface_has_its_name_whatever_else_is_told() {
        for (kind, message) in [
            (libc::RTM_NEWLINK, Message::NewLink as fn(Link) -> Message),
            (libc::RTM_DELLINK, Message::DelLink),
        ] {
            let header = LinkHeader { index: 7, flags: LinkFlags::Up, ..LinkHeader::default() };
            assert_eq!(told(kind, &eth0()).unwrap(), message(Link { header, name: Some("eth0".to_owned()) }));
        }
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_what_is_not_known_is_none() {
        let whole = eth0();
        for length in 0..whole.len() {
            // At the end of an attribute nothing seems to be missing.
            let _ = told(libc::RTM_NEWLINK, &whole[..length]);
        }
        assert!(told(libc::RTM_NEWLINK, &whole[..10]).is_err());
        assert!(told(libc::RTM_NEWLINK, &whole[..30]).is_err());
        assert_eq!(told(libc::RTM_NEWNEIGH, &[1, 2, 3]).unwrap(), Message::Other(libc::RTM_NEWNEIGH));
    }

    #[test]
    fn questions_and_orders_are_as_long_as_they_say() {
        let questions = [
            Message::GetLink(LinkHeader::default()),
            Message::GetAddress(AddressMessage::default()),
            Message::GetRoute(RouteMessage::default()),
        ];
        for question in questions {
            let mut message = NetlinkMessage::from(question);
            message.finalize();
            let mut bytes = vec![0; message.buffer_len()];
            message.serialize(&mut bytes);
            assert_eq!(bytes.len(), usize::try_from(message.header.length).unwrap());
        }
    }
}
