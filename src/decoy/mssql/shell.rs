//! What `xp_cmdshell` prints: a few commands that everybody tries. Nothing runs.

use super::product::Product;
use crate::decoy::ntlm::Host;
use crate::model::Persona;

/// Longest line of the answer.
const LINE_MAX: usize = 255;

/// The lines a command prints.
pub(super) fn run(command: &str, persona: &Persona, host: &Host, product: &Product) -> Vec<String> {
    let command = command.trim();
    let lower = command.to_lowercase();
    let first = lower.split([' ', '&', '|', '>']).next().unwrap_or_default();
    let first = first.trim_end_matches(".exe");
    let build = host.system.build;
    let text = match first {
        "whoami" if lower.contains("/priv") => PRIVILEGES.to_owned(),
        "whoami" => "nt service\\mssqlserver".to_owned(),
        "hostname" => host.computer.clone(),
        "ver" => format!("\nMicrosoft Windows [Version 10.0.{build}.{}]", revision(build)),
        "echo" => command.get(5..).unwrap_or("ECHO is on.").to_owned(),
        "cd" | "chdir" => "C:\\Windows\\system32".to_owned(),
        "ipconfig" => {
            let ip = persona.ip;
            let gateway = persona.gateway.map_or(String::new(), |g| g.to_string());
            format!(
                "\nWindows IP Configuration\n\n\nEthernet adapter Ethernet0:\n\n   Connection-specific DNS Suffix  . : {}\n   IPv4 Address. . . . . . . . . . . : {ip}\n   Subnet Mask . . . . . . . . . . . : 255.255.255.0\n   Default Gateway . . . . . . . . . : {gateway}",
                host.domain.clone().unwrap_or_default()
            )
        }
        "systeminfo" => format!(
            "\nHost Name:                 {}\nOS Name:                   Microsoft {}\nOS Version:                10.0.{build} N/A Build {build}\nOS Manufacturer:           Microsoft Corporation\nDomain:                    {}",
            host.computer,
            host.system.name,
            host.domain.clone().unwrap_or_else(|| host.workgroup.clone())
        ),
        "dir" => " Volume in drive C has no label.\n\nFile Not Found".to_owned(),
        "type" => "The system cannot find the file specified.".to_owned(),
        "net" if lower.starts_with("net user ") || lower.starts_with("net localgroup ") => {
            "System error 5 has occurred.\n\nAccess is denied.\n".to_owned()
        }
        "net" => format!(
            "\nUser accounts for \\\\{}\n\n{}\nAdministrator            DefaultAccount           Guest\nThe command completed successfully.\n",
            product.server,
            "-".repeat(79)
        ),
        "powershell" | "certutil" | "bitsadmin" | "curl" | "mshta" | "rundll32" | "regsvr32" | "wmic"
        | "reg" | "sc" | "schtasks" | "tasklist" => "Access is denied.".to_owned(),
        "" => String::new(),
        other => format!(
            "'{other}' is not recognized as an internal or external command,\noperable program or batch file."
        ),
    };
    text.lines().map(|line| line.chars().take(LINE_MAX).collect()).collect()
}

/// The last part of a version: what the updates of this year made of a build.
fn revision(build: u16) -> u16 {
    match build {
        14393 => 8594,
        _ => 6575,
    }
}

const PRIVILEGES: &str = "\nPRIVILEGES INFORMATION\n----------------------\n\nPrivilege Name                Description                               State   \n============================= ========================================= ========\nSeAssignPrimaryTokenPrivilege Replace a process level token             Disabled\nSeIncreaseQuotaPrivilege      Adjust memory quotas for a process        Disabled\nSeChangeNotifyPrivilege       Bypass traverse checking                  Enabled \nSeImpersonatePrivilege        Impersonate a client after authentication Enabled \nSeCreateGlobalPrivilege       Create global objects                     Enabled \nSeIncreaseWorkingSetPrivilege Increase a process working set            Disabled";
