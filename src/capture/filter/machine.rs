//! Runs a compiled filter over a packet.
//!
//! The instruction set is that of `McCanne` and Jacobson, "The BSD Packet Filter" (1993). libpcap's own runner is reached through
//! a call that takes the captured length for the length on the wire, which is wrong for `len` where packets are cut.

use pcap::BpfInstruction;

/// Memory cells that a program has.
const CELLS: usize = 16;

/// A program that was checked: jumps go forwards, so that it ends.
#[derive(Debug)]
pub(super) struct Machine(Vec<Instruction>);

#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

/// What an instruction does, by the low three bits of its code.
mod class {
    pub(super) const LOAD: u16 = 0;
    pub(super) const LOAD_INDEX: u16 = 1;
    pub(super) const STORE: u16 = 2;
    pub(super) const STORE_INDEX: u16 = 3;
    pub(super) const ARITHMETIC: u16 = 4;
    pub(super) const JUMP: u16 = 5;
    pub(super) const RETURN: u16 = 6;
}

/// The operand is the index register instead of the constant.
const BY_INDEX: u16 = 0x08;

#[derive(Default)]
struct State {
    accumulator: u32,
    index: u32,
    cells: [u32; CELLS],
}

impl Machine {
    pub(super) fn new(program: &[BpfInstruction]) -> Option<Self> {
        let read = |instruction: &BpfInstruction| {
            // The fields are shown and not given.
            let text = instruction.to_string();
            let mut fields = text.split(' ').map(str::parse::<u32>);
            let mut field = || fields.next()?.ok();
            Some(Instruction {
                code: u16::try_from(field()?).ok()?,
                if_true: u8::try_from(field()?).ok()?,
                if_false: u8::try_from(field()?).ok()?,
                k: field()?,
            })
        };
        let program: Option<Vec<Instruction>> = program.iter().map(read).collect();
        program.filter(|program| !program.is_empty()).map(Self)
    }

    /// Whether a packet of `length` octets on the wire passes.
    pub(super) fn passes(&self, bytes: &[u8], length: u32) -> bool {
        self.run(bytes, length).is_some_and(|kept| kept > 0)
    }

    /// What the program returns; `None` where it reaches beyond what was captured.
    fn run(&self, bytes: &[u8], length: u32) -> Option<u32> {
        let mut state = State::default();
        let mut at = 0usize;
        loop {
            let instruction = *self.0.get(at)?;
            at += 1;
            match instruction.code & 7 {
                class::LOAD => state.accumulator = state.load(instruction, bytes, length)?,
                class::LOAD_INDEX => state.index = state.load_index(instruction, bytes, length)?,
                class::STORE => *state.cell(instruction.k)? = state.accumulator,
                class::STORE_INDEX => *state.cell(instruction.k)? = state.index,
                class::ARITHMETIC => state.accumulator = state.arithmetic(instruction)?,
                class::JUMP => at += state.jump(instruction)?,
                class::RETURN => {
                    const ACCUMULATOR: u16 = 0x10;
                    let value = if instruction.code & 0x18 == ACCUMULATOR {
                        state.accumulator
                    } else {
                        instruction.k
                    };
                    return Some(value);
                }
                _ => state.transfer(instruction),
            }
        }
    }
}

impl State {
    fn cell(&mut self, k: u32) -> Option<&mut u32> {
        self.cells.get_mut(usize::try_from(k).ok()?)
    }

    fn operand(&self, instruction: Instruction) -> u32 {
        if instruction.code & BY_INDEX == 0 {
            instruction.k
        } else {
            self.index
        }
    }

    fn load(&mut self, instruction: Instruction, bytes: &[u8], length: u32) -> Option<u32> {
        const ABSOLUTE: u16 = 0x20;
        const INDIRECT: u16 = 0x40;
        let at = match instruction.code & 0xe0 {
            ABSOLUTE => instruction.k,
            INDIRECT => self.index.wrapping_add(instruction.k),
            other => return self.immediate(other, instruction.k, length),
        };
        let rest = bytes.get(usize::try_from(at).ok()?..)?;
        match instruction.code & 0x18 {
            0x00 => rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
            0x08 => rest
                .first_chunk()
                .map(|bytes| u16::from_be_bytes(*bytes).into()),
            _ => rest.first().map(|&byte| byte.into()),
        }
    }

    fn load_index(&mut self, instruction: Instruction, bytes: &[u8], length: u32) -> Option<u32> {
        const HEADER_LENGTH: u16 = 0xa0;
        let mode = instruction.code & 0xe0;
        if mode == HEADER_LENGTH {
            let byte = bytes.get(usize::try_from(instruction.k).ok()?)?;
            return Some(u32::from(byte & 0xf) * 4);
        }
        self.immediate(mode, instruction.k, length)
    }

    fn immediate(&mut self, mode: u16, k: u32, length: u32) -> Option<u32> {
        const IMMEDIATE: u16 = 0x00;
        const CELL: u16 = 0x60;
        const LENGTH: u16 = 0x80;
        match mode {
            IMMEDIATE => Some(k),
            CELL => self.cell(k).copied(),
            LENGTH => Some(length),
            _ => None,
        }
    }

    /// Arithmetic wraps; division by zero rejects the packet.
    fn arithmetic(&self, instruction: Instruction) -> Option<u32> {
        let (one, other) = (self.accumulator, self.operand(instruction));
        Some(match instruction.code & 0xf0 {
            0x00 => one.wrapping_add(other),
            0x10 => one.wrapping_sub(other),
            0x20 => one.wrapping_mul(other),
            0x30 => one.checked_div(other)?,
            0x40 => one | other,
            0x50 => one & other,
            0x60 => one.checked_shl(other).unwrap_or(0),
            0x70 => one.checked_shr(other).unwrap_or(0),
            0x80 => one.wrapping_neg(),
            0x90 => one.checked_rem(other)?,
            0xa0 => one ^ other,
            _ => return None,
        })
    }

    /// How many instructions are passed over.
    fn jump(&self, instruction: Instruction) -> Option<usize> {
        let (one, other) = (self.accumulator, self.operand(instruction));
        let holds = match instruction.code & 0xf0 {
            0x00 => return usize::try_from(instruction.k).ok(),
            0x10 => one == other,
            0x20 => one > other,
            0x30 => one >= other,
            0x40 => one & other != 0,
            _ => return None,
        };
        Some(usize::from(if holds {
            instruction.if_true
        } else {
            instruction.if_false
        }))
    }

    fn transfer(&mut self, instruction: Instruction) {
        const TO_ACCUMULATOR: u16 = 0x80;
        if instruction.code & TO_ACCUMULATOR == 0 {
            self.index = self.accumulator;
        } else {
            self.accumulator = self.index;
        }
    }
}
