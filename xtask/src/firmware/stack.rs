//! How much stack a program for a Cortex-M needs at most, read off its instructions: what each function pushes and
//! reserves, and whom it calls. Calls by address count if the address is written in the function; others are an error,
//! and so is recursion. Every push of a function is added up, so it may be less in truth, never more.

use std::collections::{BTreeMap, BTreeSet};

use super::elf::Program;

/// One function.
#[derive(Debug, Default)]
struct Function<'a> {
    name: &'a str,
    /// Bytes of its own.
    frame: u32,
    calls: BTreeSet<u32>,
    /// It calls what nobody can tell from its instructions.
    calls_unknown: bool,
}

/// The deepest chain of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deepest {
    pub(crate) bytes: u32,
    /// Each function with its own bytes, outermost first.
    pub(crate) chain: Vec<(String, u32)>,
}

/// Words that the processor pushes when an exception comes, and one more to align them.
const EXCEPTION: u32 = 9 * 4;

/// The deepest chain from `entry`, and on top of it the deepest of an exception handler. A call that cannot be told from
/// the instructions is taken to need `unknown` bytes, or is an error.
pub(crate) fn deepest(
    program: &Program<'_>,
    entry: &str,
    exceptions: &[&str],
    unknown: Option<u32>,
) -> Result<Deepest, String> {
    let mut functions = functions(program);
    // What a board's ROM does is not in the program.
    if let Some(bytes) = unknown {
        for function in functions.values_mut().filter(|function| function.calls_unknown) {
            function.frame += bytes;
            function.calls_unknown = false;
        }
    }
    let from = |name: &str| {
        let symbol = program.symbols.iter().find(|symbol| symbol.is_function && symbol.name == name);
        let address = symbol.ok_or_else(|| format!("there is no function `{name}`"))?.value & !1;
        descend(&functions, address, &mut Vec::new())
    };
    let mut deepest = from(entry)?;
    let handlers = exceptions.iter().map(|name| from(name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(handler) = handlers.into_iter().max_by_key(|handler| handler.bytes) {
        deepest.bytes += EXCEPTION + handler.bytes;
        deepest.chain.push(("an exception".to_owned(), EXCEPTION));
        deepest.chain.extend(handler.chain);
    }
    Ok(deepest)
}

fn descend(
    functions: &BTreeMap<u32, Function<'_>>,
    address: u32,
    above: &mut Vec<u32>,
) -> Result<Deepest, String> {
    let Some(function) = functions.get(&address) else { return Ok(Deepest { bytes: 0, chain: Vec::new() }) };
    if above.contains(&address) {
        return Err(format!("`{}` calls itself, so its stack has no bound", function.name));
    }
    if function.calls_unknown {
        return Err(format!("`{}` calls what cannot be told from its instructions", function.name));
    }
    above.push(address);
    let mut below = Deepest { bytes: 0, chain: Vec::new() };
    for callee in &function.calls {
        let candidate = descend(functions, *callee, above)?;
        if candidate.bytes > below.bytes {
            below = candidate;
        }
    }
    above.pop();
    below.bytes += function.frame;
    below.chain.insert(0, (function.name.to_owned(), function.frame));
    Ok(below)
}

fn functions<'a>(program: &Program<'a>) -> BTreeMap<u32, Function<'a>> {
    let named = program.symbols.iter().filter(|symbol| symbol.is_function && symbol.size > 0);
    let starts: BTreeSet<u32> = named.clone().map(|symbol| symbol.value & !1).collect();
    let mut functions = BTreeMap::new();
    for symbol in named {
        let start = symbol.value & !1;
        let function = read(program, symbol.name, start, start + symbol.size, &starts);
        functions.entry(start).or_insert(function);
    }
    functions
}

fn read<'a>(
    program: &Program<'a>,
    name: &'a str,
    start: u32,
    end: u32,
    starts: &BTreeSet<u32>,
) -> Function<'a> {
    let mut function = Function { name, ..Function::default() };
    let mut named = BTreeSet::new();
    let mut calls_by_address = false;
    let mut low = [0u32; 16];
    let mut constants = [0u32; 16];
    let mut at = start;
    while at < end {
        if is_data(program, at) {
            named.extend(program.word(at).filter(|word| word & 1 == 1).map(|word| word & !1));
            at += 4 - at % 4;
            continue;
        }
        let Some(first) = program.half(at) else { break };
        let is_long = first >> 11 >= 0b11101;
        let second = if is_long { program.half(at + 2).unwrap_or(0) } else { 0 };
        let instruction = decode(at, first, second);
        match instruction {
            Instruction::Reserve(bytes) => function.frame += bytes,
            // A jump within the function is none that needs a stack.
            Instruction::Branch(target) if !(start..end).contains(&target) => {
                function.calls.insert(target);
            }
            Instruction::CallByAddress => calls_by_address = true,
            Instruction::Low(register, value) => low[register] = value,
            Instruction::Constant(register, address) => {
                constants[register] = program.word(address).unwrap_or(0)
            }
            // What is added again at the end is positive.
            Instruction::AddToStack(register) if constants[register] > 1 << 31 => {
                function.frame += constants[register].wrapping_neg();
            }
            Instruction::High(register, value) => {
                named.insert((value << 16 | low[register]) & !1);
            }
            Instruction::AddToStack(_) | Instruction::Branch(_) | Instruction::Other => {}
        }
        at += if is_long { 4 } else { 2 };
    }
    if calls_by_address {
        let known: BTreeSet<u32> = named.intersection(starts).copied().collect();
        function.calls_unknown = known.is_empty();
        function.calls.extend(known);
    }
    function
}

/// Constants stand between instructions; the linker marks where each begins.
fn is_data(program: &Program<'_>, at: u32) -> bool {
    let marks = program.symbols.iter().filter(|symbol| {
        symbol.size == 0 && (symbol.name.starts_with("$d") || symbol.name.starts_with("$t"))
    });
    let newest = marks.filter(|mark| mark.value & !1 <= at).max_by_key(|mark| mark.value & !1);
    newest.is_some_and(|mark| mark.name.starts_with("$d"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instruction {
    /// Takes so many bytes of the stack.
    Reserve(u32),
    /// Calls, or jumps to, an address.
    Branch(u32),
    /// Calls what a register says.
    CallByAddress,
    /// Loads a register with the constant at an address.
    Constant(usize, u32),
    /// Adds a register to the stack pointer: a large frame on a small Cortex.
    AddToStack(usize),
    /// Loads a register with a number that has 16 bits.
    Low(usize, u32),
    /// Loads the upper half of a register.
    High(usize, u32),
    Other,
}

/// Of the ARMv7-M Architecture Reference Manual, A7: PUSH, SUB (SP minus immediate), STR with write-back of the stack
/// pointer, BL, B, BLX, BX, MOVW, MOVT.
fn decode(at: u32, first: u16, second: u16) -> Instruction {
    let (one, two) = (u32::from(first), u32::from(second));
    let register = usize::from(second >> 8 & 0xf);
    let wide = one << 12 & 0xf000 | one << 1 & 0x800 | two >> 4 & 0x700 | two & 0xff;
    match first {
        0xb400..=0xb5ff => Instruction::Reserve(4 * (one & 0x1ff).count_ones()),
        0xb080..=0xb0ff => Instruction::Reserve(4 * (one & 0x7f)),
        0xe92d => Instruction::Reserve(4 * two.count_ones()),
        0xf84d if second & 0x0fff == 0x0d04 => Instruction::Reserve(4),
        0xf2ad | 0xf6ad if second & 0x8f00 == 0x0d00 => Instruction::Reserve(wide & 0xfff),
        0xf1ad | 0xf5ad if second & 0x8f00 == 0x0d00 => Instruction::Reserve(expanded(wide & 0xfff)),
        0x4780..=0x47ff => Instruction::CallByAddress,
        // Jumps to the address in a register other than the link register: a call at the end.
        0x4700..=0x477f if first >> 3 & 0xf != 14 => Instruction::CallByAddress,
        0x4800..=0x4fff => {
            Instruction::Constant(usize::from(first >> 8 & 7), ((at + 4) & !3) + 4 * (one & 0xff))
        }
        _ if first & 0xff87 == 0x4485 => Instruction::AddToStack(usize::from(first >> 3 & 0xf)),
        0xe000..=0xe7ff => Instruction::Branch(at.wrapping_add(4).wrapping_add(signed(one & 0x7ff, 11) << 1)),
        0xf240..=0xf24f | 0xf640..=0xf64f if second & 0x8000 == 0 => Instruction::Low(register, wide),
        0xf2c0..=0xf2cf | 0xf6c0..=0xf6cf if second & 0x8000 == 0 => Instruction::High(register, wide),
        0xf000..=0xf7ff if second & 0x9000 == 0x9000 => Instruction::Branch(far(at, one, two)),
        _ => Instruction::Other,
    }
}

/// Where a BL or a B of 32 bits goes.
fn far(at: u32, one: u32, two: u32) -> u32 {
    let sign = one >> 10 & 1;
    let i1 = !(two >> 13 & 1 ^ sign) & 1;
    let i2 = !(two >> 11 & 1 ^ sign) & 1;
    let offset = sign << 24 | i1 << 23 | i2 << 22 | (one & 0x3ff) << 12 | (two & 0x7ff) << 1;
    at.wrapping_add(4).wrapping_add(signed(offset, 25))
}

/// A number of so many bits, with its sign.
const fn signed(value: u32, bits: u32) -> u32 {
    let sign = 1 << (bits - 1);
    (value ^ sign).wrapping_sub(sign)
}

/// An immediate of twelve bits that stands for more.
const fn expanded(value: u32) -> u32 {
    let byte = value & 0xff;
    match value >> 8 {
        0 => byte,
        1 => byte << 16 | byte,
        2 => byte << 24 | byte << 8,
        3 => byte << 24 | byte << 16 | byte << 8 | byte,
        _ => (0x80 | value & 0x7f).rotate_right(value >> 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_those_of_the_manual() {
        let table = [
            (0xb5f0, 0, Instruction::Reserve(20)),         // push {r4-r7, lr}
            (0xe92d, 0x4ff0, Instruction::Reserve(36)),    // push.w {r4-r11, lr}
            (0xb082, 0, Instruction::Reserve(8)),          // sub sp, #8
            (0xf5ad, 0x7d00, Instruction::Reserve(512)),   // sub.w sp, sp, #512
            (0xf2ad, 0x4d5c, Instruction::Reserve(1116)),  // subw sp, sp, #1116
            (0xf84d, 0x8d04, Instruction::Reserve(4)),     // str r8, [sp, #-4]!
            (0xf7ff, 0xfffe, Instruction::Branch(0x1000)), // bl .
            (0xf000, 0xf802, Instruction::Branch(0x1008)), // bl .+8
            (0xf000, 0xb802, Instruction::Branch(0x1008)), // b.w .+8
            (0xe7fe, 0, Instruction::Branch(0x1000)),      // b .
            (0x47b0, 0, Instruction::CallByAddress),       // blx r6
            (0x4770, 0, Instruction::Other),               // bx lr
            (0xf642, 0x2401, Instruction::Low(4, 0x2a01)), // movw r4, #0x2a01
            (0xf2c0, 0x0401, Instruction::High(4, 1)),     // movt r4, #1
            (0x4f02, 0, Instruction::Constant(7, 0x100c)), // ldr r7, [pc, #8]
            (0x44bd, 0, Instruction::AddToStack(7)),       // add sp, r7
            (0xd0fe, 0, Instruction::Other),               // beq .
        ];
        for (first, second, expected) in table {
            assert_eq!(decode(0x1000, first, second), expected, "{first:04x} {second:04x}");
        }
    }
}
