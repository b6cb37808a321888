//! What gives a TCP/IP stack away and no kernel setting reaches, written into the packets of deckies.
//!
//! Each family answers like one product in the database of nmap 7.93 (nmap-os-db, whose tests are named
//! in brackets below; nmap.org/book/osdetect-methods.html): window and option order of a SYN-ACK [WIN,
//! OPS], numbering [TI, CI, II], answers to flags that make no sense [T2, T3, T7], resets [T4, T6], ICMP
//! [IE, U1]. Chains of a family see all packets of its deckies on the parent interface, both ways.

use super::batch::Batch;
use super::expr::{Base, Expr, Field, Verdict};
use super::fence::Numbering;
use super::phrases::{
    ACK, ICMP, ICMP_TYPE, IP_FRAGMENT, RST, SYN, TCP, any_bit, bits, copy, flags, is, masked, rule, set, tcp,
    transport,
};

/// An OS family, by the product that its packets look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux 4.10.
    Linux,
    /// Windows 10 1709 to 1909.
    Windows,
    /// Windows Server 2016.
    WindowsServer,
    /// FreeBSD 12.0 to 13.0.
    Bsd,
    /// A Netopia 3387WG-ENT router.
    Embedded,
    /// A Cisco C860 router with IOS 15.2.
    Cisco,
}

/// FIN, PSH and URG: with SYN the flags of nmap's T3, without it those of T7.
const XMAS: u8 = 0x29;
/// The chain for what comes in of all Windows.
const RESETS: &str = "in_winserver";
const ALL_FLAGS: u8 = 0x3f;
const SYN_ACK: u8 = SYN | ACK;
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO: u8 = 8;
/// DF in the fragment field.
const DONT_FRAGMENT: [u8; 2] = [0x40, 0];

/// Options of Linux's SYN-ACK behind the MSS, four bytes each: with and without SACK, timestamp, window
/// scale (net/ipv4/tcp_output.c, `tcp_options_write`).
const SACK_TIME: [u8; 4] = [4, 2, 8, 10];
const NOP_TIME: [u8; 4] = [1, 1, 8, 10];
const NOP_SACK: [u8; 4] = [1, 1, 4, 2];
const SCALE: [u8; 3] = [1, 3, 3];
const TIMESTAMP: u8 = 8;
const FIRST_OPTION: u32 = 24;
const TIMES: u32 = 28;
/// A header with one option of four bytes behind the MSS: its length stands in the upper half of a byte.
const SEVEN_WORDS: [u8; 1] = [0x70];
const WINDOW: Field = tcp(14, 2);
const SEQUENCE: Field = tcp(4, 4);
const ACKNOWLEDGEMENT: Field = tcp(8, 4);
/// Header length and flags: checksums are mended in units of two bytes.
const LENGTH_AND_FLAGS: Field = tcp(12, 2);
const ICMP_TYPE_AND_CODE: Field = Field { base: Base::Transport, offset: 0, length: 2, checksum: Some(2) };
const TTL_AND_PROTOCOL: Field = Field { base: Base::Network, offset: 8, length: 2, checksum: Some(10) };

impl Os {
    /// The family that the slug `slug` means; DECNET takes what it does not know for Linux.
    pub fn from_slug(slug: &str) -> Self {
        match slug {
            "windows" => Self::Windows,
            "windows_server" => Self::WindowsServer,
            "bsd" => Self::Bsd,
            "embedded" => Self::Embedded,
            "cisco" => Self::Cisco,
            _ => Self::Linux,
        }
    }

    /// How packets are numbered. That is done in the decky's own namespace: a counter that it shared
    /// with others would tell.
    pub fn numbering(self) -> Numbering {
        match self {
            Self::Linux => Numbering::CountedResets,
            Self::Windows | Self::WindowsServer | Self::Embedded => Numbering::Counted,
            Self::Bsd => Numbering::RandomIcmp,
            Self::Cisco => Numbering::Random,
        }
    }

    /// The chain for what comes in.
    pub(super) fn inbound(self) -> Option<&'static str> {
        match self {
            Self::Linux => None,
            Self::Windows => Some("in_windows"),
            Self::WindowsServer => Some(RESETS),
            Self::Bsd => Some("in_bsd"),
            Self::Embedded => Some("in_embedded"),
            Self::Cisco => Some("in_cisco"),
        }
    }

    /// The chain for what leaves.
    pub(super) fn outbound(self) -> &'static str {
        match self {
            Self::Linux => "out_linux",
            Self::Windows => "out_windows",
            Self::WindowsServer => "out_winserver",
            Self::Bsd => "out_bsd",
            Self::Embedded => "out_embedded",
            Self::Cisco => "out_cisco",
        }
    }
}

/// Makes the chains of all families; those for what leaves end in `fence`.
pub(super) fn chains(batch: &mut Batch, fence: &'static str) {
    for chain in [RESETS, "in_windows", "in_bsd", "in_embedded", "in_cisco"] {
        batch.chain(chain);
    }
    for os in [Os::Linux, Os::Windows, Os::WindowsServer, Os::Bsd, Os::Embedded, Os::Cisco] {
        batch.chain(os.outbound());
    }
    inbound(batch);
    linux(batch);
    windows(batch);
    bsd(batch);
    small(batch);
    for os in [Os::Linux, Os::Windows, Os::WindowsServer, Os::Bsd, Os::Embedded, Os::Cisco] {
        batch.rule(os.outbound(), go(fence));
    }
}

fn inbound(batch: &mut Batch) {
    let tcp_flags = |value| rule![transport(TCP), flags(ALL_FLAGS, value)];
    // As after `tcp flags set`: the header length in the same two bytes stays.
    let become_flags = |value| bits(LENGTH_AND_FLAGS, [0xff, 0], [0, value]);
    for chain in [RESETS, "in_embedded"] {
        batch.rule(chain, rule![tcp_flags(0), [Expr::Reset]]);
    }
    batch.rule(RESETS, rule![tcp_flags(XMAS | SYN), [Expr::Reset]]);
    // Windows 10 comes with timestamps switched off.
    let opens = rule![transport(TCP), flags(SYN_ACK, SYN)];
    batch.rule("in_windows", rule![opens, [Expr::ResetOption(TIMESTAMP)]]);
    batch.rule("in_windows", go(RESETS));
    // A SYN for these, whatever else is set; Linux drops SYN with FIN.
    for chain in ["in_bsd", "in_embedded"] {
        batch.rule(chain, rule![tcp_flags(XMAS | SYN), become_flags(SYN)]);
    }
    // Reset without counting the FIN.
    batch.rule("in_cisco", rule![tcp_flags(XMAS), become_flags(0)]);
    // These answer a ping with DF when it came with DF. The answer repeats the code of the question, so
    // its upper bit, which no code uses, carries that.
    for chain in ["in_bsd", "in_cisco"] {
        let asked = rule![transport(ICMP), is(ICMP_TYPE, [ECHO]), any_bit(IP_FRAGMENT, DONT_FRAGMENT)];
        batch.rule(chain, rule![asked, bits(ICMP_TYPE_AND_CODE, [0xff, 0x7f], [0, 0x80])]);
    }
}

/// Gives the answer to a ping the DF of the question, see [`inbound`].
fn return_df(batch: &mut Batch, chain: &str) {
    let marked = masked(ICMP_TYPE_AND_CODE, [0xff, 0x80], [ECHO_REPLY, 0x80]);
    let plain = bits(ICMP_TYPE_AND_CODE, [0xff, 0x7f], [0, 0]);
    let df = bits(IP_FRAGMENT, [0xbf, 0xff], DONT_FRAGMENT);
    batch.rule(chain, rule![transport(ICMP), marked, plain, df]);
}

fn is_syn_ack() -> Vec<Expr> {
    rule![transport(TCP), flags(SYN_ACK, SYN_ACK)]
}

fn go(chain: &'static str) -> [Expr; 1] {
    [Expr::Verdict(Verdict::Goto(chain))]
}

fn window(size: u16) -> [Expr; 2] {
    set(WINDOW, size.to_be_bytes())
}

fn linux(batch: &mut Batch) {
    let chain = Os::Linux.outbound();
    batch.rule(chain, rule![is_syn_ack(), window(29_200)]);
    // With timestamps there is less room in a segment.
    let timestamp = is(tcp(26, 2), [8, 10]);
    batch.rule(chain, rule![is_syn_ack(), timestamp, window(28_960)]);
}

/// Moves the window scale to the front and sets it, as BSD and Windows have it. `plain_sack`: what stands
/// behind it when there is SACK and no timestamp.
fn scale_first(batch: &mut Batch, chain: &str, scale: u8, plain_sack: [u8; 4]) {
    let new_scale = [1, 3, 3, scale];
    for times in [SACK_TIME, NOP_TIME] {
        let both = rule![is(tcp(FIRST_OPTION, 4), times), is(tcp(36, 3), SCALE)];
        let moved = rule![copy(tcp(TIMES, 8), tcp(TIMES + 4, 8)), set(tcp(TIMES, 4), times)];
        batch.rule(chain, rule![both, moved, set(tcp(FIRST_OPTION, 4), new_scale)]);
    }
    let sack = rule![is(tcp(FIRST_OPTION, 4), NOP_SACK), is(tcp(28, 3), SCALE)];
    batch.rule(chain, rule![sack, set(tcp(28, 4), plain_sack), set(tcp(FIRST_OPTION, 4), new_scale)]);
    batch.rule(chain, rule![is(tcp(FIRST_OPTION, 3), SCALE), set(tcp(FIRST_OPTION, 4), new_scale)]);
}

fn windows(batch: &mut Batch) {
    const SCALE: u8 = 8;
    const TTL: u8 = 128;
    for (os, options) in [(Os::Windows, "sa_windows"), (Os::WindowsServer, "sa_winserver")] {
        let chain = os.outbound();
        batch.chain(options);
        batch.rule(chain, rule![is_syn_ack(), [Expr::Verdict(Verdict::Jump(options))]]);
        let reset = rule![transport(TCP), flags(RST, RST)];
        // Those from here, not the decky's, have the host's.
        batch.rule(chain, rule![reset.clone(), set(TTL_AND_PROTOCOL, [TTL, TCP])]);
        let bare = flags(RST | ACK, RST);
        batch.rule(chain, rule![transport(TCP), bare, copy(SEQUENCE, ACKNOWLEDGEMENT)]);
        let reply = rule![transport(ICMP), is(ICMP_TYPE, [ECHO_REPLY])];
        batch.rule(chain, rule![reply, set(ICMP_TYPE_AND_CODE, [ECHO_REPLY, 0])]);
        batch.rule(options, window(if os == Os::Windows { 65_535 } else { 8192 }));
        if os == Os::Windows {
            let no_scale = rule![is(tcp(12, 1), SEVEN_WORDS), is(tcp(FIRST_OPTION, 4), NOP_SACK)];
            batch.rule(options, rule![no_scale, window(65_392)]);
        }
        scale_first(batch, options, SCALE, NOP_SACK);
    }
}

fn bsd(batch: &mut Batch) {
    const SCALE: u8 = 6;
    /// SACK allowed, end of options.
    const SACK_END: [u8; 4] = [4, 2, 0, 0];
    let (chain, options) = (Os::Bsd.outbound(), "sa_bsd");
    batch.chain(options);
    batch.rule(chain, rule![is_syn_ack(), [Expr::Verdict(Verdict::Jump(options))]]);
    batch.rule(options, window(65_535));
    scale_first(batch, options, SCALE, SACK_END);
    let sack = is(tcp(FIRST_OPTION, 4), NOP_SACK);
    batch.rule(options, rule![sack, is(tcp(12, 1), SEVEN_WORDS), set(tcp(FIRST_OPTION, 4), SACK_END)]);
    return_df(batch, chain);
}

/// The small stacks: no DF, no options but the MSS (a kernel setting), nothing said of closed ports by
/// ICMP (they quote less of a packet than Linux does, which cannot be cut here).
fn small(batch: &mut Batch) {
    const TTL: u8 = 255;
    for (os, size) in [(Os::Embedded, 1024), (Os::Cisco, 4128)] {
        let chain = os.outbound();
        batch.rule(
            chain,
            rule![transport(ICMP), is(ICMP_TYPE, [UNREACHABLE]), [Expr::Verdict(Verdict::Drop)]],
        );
        batch.rule(chain, rule![transport(TCP), set(IP_FRAGMENT, [0, 0])]);
        batch.rule(chain, rule![is_syn_ack(), window(size)]);
    }
    let reset = rule![transport(TCP), flags(RST, RST)];
    batch.rule(Os::Embedded.outbound(), rule![reset, set(TTL_AND_PROTOCOL, [TTL, TCP])]);
    return_df(batch, Os::Cisco.outbound());
}
