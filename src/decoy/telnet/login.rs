//! Who gets in, and what `login` says.

use crate::decoy::vfs::Machine;
use crate::decoy::vfs::distro::Family;

/// The name in the prompt.
pub(super) fn host(machine: &Machine) -> &str {
    machine.hostname.split('.').next().unwrap_or_default()
}

/// What comes before the first prompt: `/etc/issue.net` as the server expands it.
pub(super) fn greeting(machine: &Machine) -> String {
    match machine.distro.family {
        // BusyBox starts a new line and finds no file.
        Family::Alpine => "\r\r\n".to_owned(),
        Family::Debian => machine.distro.issue.replace(" \\n \\l\n\n", "\r\n"),
        Family::RedHat => format!("\r\nKernel {} on an x86_64\r\n", machine.distro.kernel),
        Family::Arch => format!("\r\nLinux {} ({}) (pts/0)\r\n\r\n", machine.distro.kernel, host(machine)),
    }
}

/// Wrong passwords before `login` gives up: shadow's takes five, util-linux's and BusyBox's three.
pub(super) fn tries(machine: &Machine) -> u16 {
    if machine.distro.family == Family::Debian { 5 } else { 3 }
}

/// What a wrong password is answered.
pub(super) fn refusal(machine: &Machine, attempt: u16) -> String {
    let last = attempt == tries(machine);
    match machine.distro.family {
        Family::Alpine => "Login incorrect\r\n".to_owned(),
        Family::Debian if last => {
            "\r\nLogin incorrect\r\nMaximum number of tries exceeded (5)\r\n".to_owned()
        }
        Family::Debian => "\r\nLogin incorrect\r\n".to_owned(),
        _ if last => "Login incorrect\r\n\r\nMaximum number of tries exceeded (3)\r\n".to_owned(),
        _ => "Login incorrect\r\n\r\n".to_owned(),
    }
}
