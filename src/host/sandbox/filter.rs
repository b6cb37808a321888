//! One program out of two lists of calls.
//!
//! The kernel tries a new filter out on every system call there is, and compiles it: a list that is searched
//! from one end to the other, twice, took a third of a worker's start. This one is searched by halving.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::seccomp::Rules;

/// `LD | W | ABS`, `JMP | JEQ | K`, `JMP | JGE | K`, `JMP | JA`, `RET | K` (linux/bpf_common.h).
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const GO: u16 = 0x05;
const ANSWER: u16 = 0x06;
/// Where the number of the call and the architecture are (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// What follows for calls from one number on, up to the next.
struct Part {
    from: u32,
    program: BpfProgram,
}

/// Lets pass what `rules` allow, kills at `traps`, and answers everything else with `EPERM`. A call of another
/// architecture kills.
pub(super) fn merge(rules: &Rules, traps: &[i64]) -> Result<BpfProgram, BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let mut decided: std::collections::BTreeMap<u32, BpfProgram> = std::collections::BTreeMap::new();
    for (call, conditions) in rules {
        let program = if conditions.is_empty() {
            answer(SeccompAction::Allow)
        } else {
            conditional(*call, conditions, refuse.clone(), target)?
        };
        decided.insert(number(*call), program);
    }
    for call in traps {
        decided.insert(number(*call), answer(SeccompAction::KillProcess));
    }
    let mut parts = vec![Part { from: 0, program: answer(refuse.clone()) }];
    for (call, program) in decided {
        begin(&mut parts, call, program);
        begin(&mut parts, call.saturating_add(1), answer(refuse.clone()));
    }
    let mut whole = vec![
        statement(LOAD, ARCHITECTURE),
        sock_filter { code: EQUAL, jt: 1, jf: 0, k: architecture(target) },
        statement(ANSWER, SeccompAction::KillProcess.into()),
        statement(LOAD, NUMBER),
    ];
    whole.extend(search(&parts));
    Ok(whole)
}

/// A number that is none is one that no call has.
fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

/// From `call` on it is `program`.
fn begin(parts: &mut Vec<Part>, call: u32, program: BpfProgram) {
    if parts.last().is_some_and(|last| last.from == call) {
        parts.pop();
    }
    if parts.last().is_none_or(|last| last.program != program) {
        parts.push(Part { from: call, program });
    }
}

/// The program of the part that the number in the accumulator belongs to.
fn search(parts: &[Part]) -> BpfProgram {
    let (below, above) = parts.split_at(parts.len() / 2);
    match (below, above) {
        (_, []) => answer(SeccompAction::KillProcess),
        ([], [only, ..]) => only.program.clone(),
        (below, [middle, ..]) => {
            let low = search(below);
            let skip = u32::try_from(low.len()).unwrap_or(u32::MAX);
            let mut program = vec![
                sock_filter { code: AT_LEAST, jt: 0, jf: 1, k: middle.from },
                // A conditional jump reaches 255 steps at most.
                statement(GO, skip),
            ];
            program.extend(low);
            program.extend(search(above));
            program
        }
    }
}

/// Allowed under conditions. Jumps are relative, so the program of one call works anywhere.
fn conditional(
    call: i64,
    conditions: &[SeccompRule],
    refuse: SeccompAction,
    target: TargetArch,
) -> Result<BpfProgram, BackendError> {
    let rules = [(call, conditions.to_vec())].into();
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, target)?.try_into()
}

fn answer(action: SeccompAction) -> BpfProgram {
    vec![statement(ANSWER, action.into())]
}

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// AUDIT_ARCH_* (linux/audit.h): the machine, 64 bits, little-endian.
fn architecture(target: TargetArch) -> u32 {
    const WIDE_AND_LITTLE: u32 = 0xc000_0000;
    let machine = match target {
        TargetArch::x86_64 => 62,
        TargetArch::aarch64 => 183,
        TargetArch::riscv64 => 243,
    };
    machine | WIDE_AND_LITTLE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with a program, on a call with these arguments.
    fn decide(program: &[sock_filter], call: u32, args: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => call,
            ARCHITECTURE => architecture(TargetArch::try_from(std::env::consts::ARCH).unwrap()),
            _ => {
                let arg = args[usize::try_from((offset - 16) / 8).unwrap()];
                if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
            }
        };
        let (mut at, mut value) = (0usize, 0u32);
        loop {
            let step = &program[at];
            at += 1;
            let mut jump = |yes: bool| at += usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => value = word(step.k),
                EQUAL => jump(value == step.k),
                AT_LEAST => jump(value >= step.k),
                0x25 => jump(value > step.k),
                GO => at += step.k as usize,
                0x54 => value &= step.k,
                ANSWER => return step.k,
                other => panic!("step {other:#x}"),
            }
        }
    }

    #[test]
    fn decides_as_the_sterner_of_two_filters() {
        let target = TargetArch::try_from(std::env::consts::ARCH).unwrap();
        let condition = |arg, value| {
            let equal = seccompiler::SeccompCmpOp::Eq;
            let len = seccompiler::SeccompCmpArgLen::Dword;
            let one = seccompiler::SeccompCondition::new(arg, len, equal, value).unwrap();
            SeccompRule::new(vec![one]).unwrap()
        };
        // Neighbours, gaps, the first number, conditions, one in both lists.
        let mut rules: Rules = [0, 1, 2, 7, 60, 61, 300, 449].map(|call| (call, vec![])).into();
        rules.insert(16, vec![condition(1, 5), condition(1, 6)]);
        rules.insert(17, vec![condition(0, 9)]);
        let traps = [3, 8, 61, 101, 448];
        let merged = merge(&rules, &traps).unwrap();
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        let allow = SeccompFilter::new(rules, refuse, SeccompAction::Allow, target).unwrap();
        let allow: BpfProgram = allow.try_into().unwrap();
        let trap = traps.map(|call| (call, vec![])).into();
        let trap =
            SeccompFilter::new(trap, SeccompAction::Allow, SeccompAction::KillProcess, target).unwrap();
        let trap: BpfProgram = trap.try_into().unwrap();
        for call in (0..600).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
            for args in [[0; 6], [9; 6], [5; 6], [6; 6]] {
                // The lower, as a signed number, is the sterner.
                let both = [decide(&trap, call, args), decide(&allow, call, args)];
                let sterner = both.into_iter().min_by_key(|answer| *answer as i32).unwrap();
                assert_eq!(decide(&merged, call, args), sterner, "call {call} {args:?}");
            }
        }
        assert!(merged.len() < 120, "{}", merged.len());
    }
}
