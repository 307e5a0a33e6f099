//! As much of an ELF file of a 32-bit little-endian machine as its size and its stack need.

/// A program for a microcontroller.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    bytes: &'a [u8],
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol<'a>>,
}

/// A section and where it lies when the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) address: u32,
    pub(crate) size: u32,
    /// It takes memory while the program runs.
    pub(crate) is_loaded: bool,
    /// Its contents are in the file, and so in flash.
    pub(crate) is_stored: bool,
    offset: u32,
    kind: u32,
    link: u32,
}

/// A name in the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: u32,
    pub(crate) size: u32,
    pub(crate) is_function: bool,
}

const NOBITS: u32 = 8;
const SYMBOLS: u32 = 2;
const ALLOCATED: u32 = 2;

impl<'a> Program<'a> {
    /// Reads it; nothing if it is none.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(b"\x7fELF\x01\x01") {
            return None;
        }
        let table = word(bytes, 0x20)?;
        let (size, count) = (half(bytes, 0x2e)?, half(bytes, 0x30)?);
        let header = |at: u16| table + u32::from(at) * u32::from(size);
        let section = |at: u16| {
            let field = |offset| word(bytes, header(at) + offset);
            let kind = field(0x04)?;
            let is_loaded = field(0x08)? & ALLOCATED != 0;
            Some(Section {
                address: field(0x0c)?,
                size: field(0x14)?,
                is_loaded,
                is_stored: is_loaded && kind != NOBITS,
                offset: field(0x10)?,
                kind,
                link: field(0x18)?,
            })
        };
        let sections: Vec<Section> = (0..count).map(section).collect::<Option<_>>()?;
        let table = sections.iter().find(|section| section.kind == SYMBOLS)?;
        let strings = sections.get(usize::try_from(table.link).ok()?)?;
        let symbol = |at: u32| {
            let entry = table.offset + 16 * at;
            Some(Symbol {
                name: text(bytes, strings.offset + word(bytes, entry)?)?,
                value: word(bytes, entry + 4)?,
                size: word(bytes, entry + 8)?,
                is_function: *bytes.get(usize::try_from(entry + 12).ok()?)? & 0xf == 2,
            })
        };
        let symbols = (0..table.size / 16).map(symbol).collect::<Option<_>>()?;
        Some(Self { bytes, sections, symbols })
    }

    /// The half-word at an address of the running program.
    pub(crate) fn half(&self, address: u32) -> Option<u16> {
        half(self.bytes, self.offset(address)?)
    }

    /// The word at an address of the running program.
    pub(crate) fn word(&self, address: u32) -> Option<u32> {
        word(self.bytes, self.offset(address)?)
    }

    fn offset(&self, address: u32) -> Option<u32> {
        let holds = |section: &&Section| {
            section.is_stored && (section.address..section.address + section.size).contains(&address)
        };
        let section = self.sections.iter().find(holds)?;
        Some(section.offset + (address - section.address))
    }
}

fn word(bytes: &[u8], at: u32) -> Option<u32> {
    let (bytes, _) = bytes.get(usize::try_from(at).ok()?..)?.split_first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn half(bytes: &[u8], at: u32) -> Option<u16> {
    let (bytes, _) = bytes.get(usize::try_from(at).ok()?..)?.split_first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn text(bytes: &[u8], at: u32) -> Option<&str> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&bytes[..end]).ok()
}
