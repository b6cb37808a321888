//! Privileges and Landlock.

use std::sync::atomic::{AtomicBool, Ordering};

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, PathBeneath, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{Role, SandboxError, step};

/// The newest Landlock ABI this was written for. The crate takes the part of it that the kernel knows.
const NEWEST: ABI = ABI::V10;

/// The bounding set was dropped; a fork inherits that, and this.
static BOUNDED: AtomicBool = AtomicBool::new(false);

/// What a program that is executed could get.
pub(super) fn drop_bounding_set() -> Result<(), SandboxError> {
    if rustix::process::geteuid().is_root() {
        for bit in 0..64 {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            match rustix::thread::remove_capability_from_bounding_set(one) {
                // Past the last capability of this kernel; or none of it was ours to begin with.
                Err(Errno::INVAL | Errno::PERM) => break,
                other => step("drop the capability bounding set", other)?,
            }
        }
    }
    BOUNDED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Drops every capability and, as root, becomes `uid` with no groups.
///
/// In a user namespace that maps no such uid it stays uid 0 of that namespace, with no capability.
pub(super) fn drop_privileges(uid: u32) -> Result<(), SandboxError> {
    if rustix::process::geteuid().is_root() {
        if !BOUNDED.load(Ordering::Relaxed) {
            drop_bounding_set()?;
        }
        unless_unmapped("drop the groups", rustix::thread::set_thread_groups(&[]))?;
        let (group, user) = (Gid::from_raw(uid), Uid::from_raw(uid));
        unless_unmapped("drop the group", rustix::thread::set_thread_res_gid(group, group, group))?;
        unless_unmapped("drop the user", rustix::thread::set_thread_res_uid(user, user, user))?;
    }
    let none = CapabilitySet::empty();
    step("drop the ambient capabilities", rustix::thread::clear_ambient_capability_set())?;
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    step("drop the capabilities", rustix::thread::set_capabilities(None, sets))
}

fn unless_unmapped(what: &'static str, result: rustix::io::Result<()>) -> Result<(), SandboxError> {
    match result {
        Err(Errno::INVAL | Errno::PERM) => Ok(()),
        other => step(what, other),
    }
}

/// Applies Landlock and says which ABI is in force; 0 on a kernel that has none.
///
/// A kernel that has it must enforce it: everything its ABI knows, or this is an error.
pub(super) fn landlock(role: &Role<'_>) -> Result<i32, SandboxError> {
    let rules =
        Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
    let status = match role {
        Role::Worker { .. } | Role::Observer { .. } => {
            rules.handle_access(AccessNet::from_all(NEWEST))?.create()?.restrict_self()?
        }
        Role::Writer { directory } => {
            let own = AccessFs::ReadDir
                | AccessFs::ReadFile
                | AccessFs::WriteFile
                | AccessFs::MakeReg
                | AccessFs::RemoveFile
                | AccessFs::Truncate;
            let rules = rules.handle_access(AccessNet::BindTcp)?.create()?;
            rules.add_rule(PathBeneath::new(directory, own))?.restrict_self()?
        }
    };
    in_force(&status)
}

fn in_force(status: &RestrictionStatus) -> Result<i32, SandboxError> {
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if status.ruleset != RulesetStatus::NotEnforced => {
            Ok(effective_abi as i32)
        }
        LandlockStatus::Available { .. } => Err(SandboxError::Leaks("Landlock is there but")),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => Ok(0),
    }
}
