//! A packet socket that sees how strangers knock: the beginnings of conversations with one network, and nothing
//! that is said in them. The kernel sorts out the rest, so a busy host costs nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::sys::{self, Instruction};
use crate::model::Subnet;

/// Every protocol (`ETH_P_ALL`).
const ALL: u16 = 3;
/// Room for a burst of a scanner.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Bytes of each frame that are passed on: headers with their options, and the beginning of what follows.
const SNAP: u32 = 128;

/// Opens it on the interface with this number, in the network namespace of the calling thread.
///
/// # Errors
/// EPERM: without CAP_NET_RAW. ENODEV: there is no such interface.
pub fn open(interface: u32, subnet: Subnet) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol before the filter is in: nothing else gets in either.
    let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    // A small buffer is no reason to fail.
    let _ = sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER);
    sys::attach_filter(fd.as_fd(), &filter(subnet))?;
    sys::bind_packet(fd.as_fd(), interface, ALL)?;
    Ok(fd)
}

/// Where a jump goes.
#[derive(Clone, Copy)]
enum To {
    Next,
    Take,
    Drop,
    /// To the instruction with this label.
    Label(&'static str),
}

/// One line of the program before its jumps are counted.
enum Line {
    /// Load a half word, byte or word at an offset; or the length of the IP header into X.
    Load(u16, u32),
    /// And with a constant.
    And(u32),
    /// Jump if equal, or if any of these bits is set.
    If(u16, u32, To, To),
    Label(&'static str),
}

/// Classic BPF (`linux/bpf_common.h`).
mod op {
    pub(super) const HALF: u16 = 0x28;
    pub(super) const BYTE: u16 = 0x30;
    pub(super) const WORD: u16 = 0x20;
    /// A byte behind the IP header, whose length is in X.
    pub(super) const BYTE_X: u16 = 0x50;
    pub(super) const HEADER: u16 = 0xb1;
    pub(super) const AND: u16 = 0x54;
    pub(super) const EQUAL: u16 = 0x15;
    pub(super) const ANY: u16 = 0x45;
    pub(super) const RETURN: u16 = 0x06;
}

/// Pseudo offset of the packet's type (`SKF_AD_OFF + SKF_AD_PKTTYPE`).
const PACKET_TYPE: u32 = 0xffff_f004;
const OUTGOING: u32 = 4;

fn filter(subnet: Subnet) -> Vec<Instruction> {
    use Line::{And, If, Label, Load};
    use To::{Drop, Next, Take};
    let network = u32::from(subnet.network());
    let mask = if subnet.prefix() == 0 { 0 } else { u32::MAX << (32 - u32::from(subnet.prefix())) };
    let program = [
        Load(op::WORD, PACKET_TYPE),
        If(op::EQUAL, OUTGOING, Drop, Next),
        Load(op::HALF, 12),
        If(op::EQUAL, 0x0800, To::Label("ip"), Next),
        If(op::EQUAL, 0x0806, Next, Drop),
        // ARP: requests for an address of the network.
        Load(op::HALF, 20),
        If(op::EQUAL, 1, Next, Drop),
        Load(op::WORD, 38),
        And(mask),
        If(op::EQUAL, network, Take, Drop),
        Label("ip"),
        Load(op::WORD, 30),
        And(mask),
        If(op::EQUAL, network, Next, Drop),
        Load(op::HALF, 20),
        If(op::ANY, 0x1fff, Drop, Next),
        Load(op::HEADER, 14),
        Load(op::BYTE, 23),
        If(op::EQUAL, 6, To::Label("tcp"), Next),
        If(op::EQUAL, 17, Take, Next),
        If(op::EQUAL, 1, Next, Drop),
        // ICMP: questions.
        Load(op::BYTE_X, 14),
        If(op::EQUAL, 8, Take, Next),
        If(op::EQUAL, 13, Take, Next),
        If(op::EQUAL, 17, Take, Drop),
        // TCP without ACK: what begins a connection, refuses one, or is neither and a scanner's.
        Label("tcp"),
        Load(op::BYTE_X, 27),
        If(op::ANY, 0x10, Drop, Take),
    ];
    assemble(&program)
}

fn assemble(program: &[Line]) -> Vec<Instruction> {
    let code: Vec<&Line> = program.iter().filter(|l| !matches!(l, Line::Label(_))).collect();
    let end = code.len();
    let place = |label: &str| {
        let mut at = 0;
        for line in program {
            match line {
                Line::Label(name) if *name == label => return at,
                Line::Label(_) => {}
                _ => at += 1,
            }
        }
        end
    };
    let jump = |from: usize, to: To| {
        let target = match to {
            To::Next => from + 1,
            To::Take => end,
            To::Drop => end + 1,
            To::Label(label) => place(label),
        };
        u8::try_from(target - from - 1).unwrap_or(u8::MAX)
    };
    let mut out: Vec<Instruction> = Vec::with_capacity(end + 2);
    for (at, line) in code.iter().enumerate() {
        out.push(match line {
            Line::Load(code, k) => Instruction { code: *code, yes: 0, no: 0, k: *k },
            Line::And(k) => Instruction { code: op::AND, yes: 0, no: 0, k: *k },
            Line::If(code, k, yes, no) => {
                Instruction { code: *code, yes: jump(at, *yes), no: jump(at, *no), k: *k }
            }
            Line::Label(_) => continue,
        });
    }
    let give = |k| Instruction { code: op::RETURN, yes: 0, no: 0, k };
    out.extend([give(SNAP), give(0)]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's interpreter does with these instructions.
    fn runs(program: &[Instruction], packet: &[u8], kind: u32) -> u32 {
        let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
        let bytes = |from: u32, n: usize| {
            let from = from as usize;
            packet.get(from..from + n).map(|b| b.iter().fold(0u32, |v, b| v << 8 | u32::from(*b)))
        };
        loop {
            let i = &program[at];
            at += 1;
            let loaded = match i.code {
                op::WORD if i.k == PACKET_TYPE => Some(kind),
                op::WORD => bytes(i.k, 4),
                op::HALF => bytes(i.k, 2),
                op::BYTE => bytes(i.k, 1),
                op::BYTE_X => bytes(i.k + x, 1),
                _ => Some(a),
            };
            // The kernel drops what is too short.
            let Some(loaded) = loaded else { return 0 };
            a = loaded;
            match i.code {
                op::HEADER => x = (bytes(i.k, 1).unwrap() & 15) * 4,
                op::AND => a &= i.k,
                op::EQUAL => at += usize::from(if a == i.k { i.yes } else { i.no }),
                op::ANY => at += usize::from(if a & i.k != 0 { i.yes } else { i.no }),
                op::RETURN => return i.k,
                _ => {}
            }
        }
    }

    fn ip(protocol: u8, to: [u8; 4], rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1]);
        frame.extend(to);
        frame.extend(rest);
        frame
    }

    fn tcp(flags: u8) -> Vec<u8> {
        let mut rest = [0u8; 20];
        rest[13] = flags;
        ip(6, [10, 0, 0, 9], &rest)
    }

    #[test]
    fn lets_beginnings_in_and_nothing_else() {
        let program = filter("10.0.0.0/24".parse().unwrap());
        let took = |frame: &[u8]| runs(&program, frame, 0) > 0;
        for (flags, wanted) in [
            (2, true),
            (0, true),
            (1, true),
            (0x29, true),
            (4, true),
            (0x10, false),
            (0x12, false),
            (0x14, false),
        ] {
            assert_eq!(took(&tcp(flags)), wanted, "{flags:#x}");
        }
        assert_eq!(runs(&program, &tcp(2), OUTGOING), 0);
        assert!(took(&ip(17, [10, 0, 0, 9], &[0; 8])) && !took(&ip(17, [10, 0, 1, 9], &[0; 8])));
        assert!(took(&ip(1, [10, 0, 0, 9], &[8; 8])) && !took(&ip(1, [10, 0, 0, 9], &[0; 8])));
        assert!(!took(&ip(47, [10, 0, 0, 9], &[0; 8])));
        let mut later = tcp(2);
        later[21] = 9;
        assert!(!took(&later));
        let mut arp = vec![0; 12];
        arp.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        arp.extend([0; 16]);
        arp.extend([10, 0, 0, 77]);
        assert!(took(&arp));
        arp[21] = 2;
        assert!(!took(&arp));
        assert!(!took(&[]) && !took(&tcp(2)[..40]));
    }
}
