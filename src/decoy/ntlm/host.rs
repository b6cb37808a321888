//! How a machine names itself to Windows' protocols: what smb, rdp and mssql of one decky agree on.

use crate::decoy::domain::Domain;
use crate::decoy::setting;
use crate::model::{Persona, Settings};

/// A machine as NTLM, SMB and RDP show it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// NetBIOS name, upper case, at most fifteen bytes.
    pub(crate) computer: String,
    /// NetBIOS name of its domain or workgroup.
    pub(crate) workgroup: String,
    /// DNS domain of a member; none in a workgroup.
    pub(crate) domain: Option<String>,
    /// Its name as the domain name system has it, without the domain.
    pub(crate) hostname: String,
    /// What it runs.
    pub(crate) system: System,
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct System {
    /// Windows, else Samba and its kin.
    pub(crate) windows: bool,
    /// Product name.
    pub(crate) name: &'static str,
    /// Build as the product name is followed by.
    pub(crate) build: u16,
    /// Build as NTLM's version field has it: that of the files, older than an enablement package.
    pub(crate) ntlm_build: u16,
}

/// What Windows set-up asks nothing about is a workgroup of this name.
const WORKGROUP: &str = "WORKGROUP";

const WORKSTATION: System = System { windows: true, name: "Windows 10 Pro", build: 19045, ntlm_build: 19041 };
// The oldest server in support, and the last that speaks SMB 1 unasked.
const SERVER: System =
    System { windows: true, name: "Windows Server 2016 Standard", build: 14393, ntlm_build: 14393 };
const OTHER: System = System { windows: false, name: "Windows 6.1", build: 0, ntlm_build: 0 };

impl Host {
    /// The machine of a persona, at home where [`Domain`] says.
    pub(crate) fn new(persona: &Persona) -> Self {
        let domain = Domain::new(persona);
        // Neither a directory nor a name server of Windows runs on a workstation.
        let server = ["ldap", "dns"].iter().any(|slug| persona.services.contains_key(*slug));
        let system = match persona.nmap_os.as_str() {
            "windows" if !server => WORKSTATION,
            "windows" | "windows_server" => SERVER,
            _ => OTHER,
        };
        let workgroup = if domain.joined { Some(domain.netbios) } else { Domain::workgroup(persona) };
        Self {
            computer: domain.computer,
            workgroup: workgroup.unwrap_or_else(|| WORKGROUP.to_owned()),
            domain: domain.joined.then_some(domain.dns),
            hostname: domain.host,
            system,
        }
    }

    /// The accounts that get in by NTLM to the service of these settings: its own, and on Windows those
    /// of the others too, for the machine or its domain knows them all.
    pub(crate) fn accounts(&self, persona: &Persona, settings: &Settings) -> Vec<(String, String)> {
        let account = |of: &Settings| {
            let (user, password) = setting::text(of, "user").zip(setting::text(of, "password"))?;
            Some((user.to_owned(), password.to_owned()))
        };
        let others = ["smb", "rdp", "ldap"].iter().filter(|_| self.system.windows);
        let others = others.filter_map(|slug| account(persona.services.get(*slug)?));
        let mut all: Vec<_> = account(settings).into_iter().collect();
        for other in others {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }

    /// Its full name.
    pub(crate) fn fqdn(&self) -> String {
        match &self.domain {
            Some(domain) => format!("{}.{domain}", self.hostname),
            None => self.hostname.clone(),
        }
    }

    /// Whether a domain knows its accounts, and not the machine itself.
    pub(crate) fn is_member(&self) -> bool {
        self.domain.is_some() && self.system.windows
    }

    /// The NetBIOS name of whoever knows its accounts.
    pub(crate) fn authority(&self) -> &str {
        if self.is_member() { &self.workgroup } else { &self.computer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;

    #[test]
    fn names_are_cut_and_domains_count() {
        let mut persona = testing::persona(&["smb"]);
        persona.hostname = "a-rather-long-hostname".into();
        let host = Host::new(&persona);
        assert_eq!((host.computer.as_str(), host.workgroup.as_str()), ("A-RATHER-LONG-H", "WORKGROUP"));
        assert_eq!((host.authority(), host.system.windows), ("A-RATHER-LONG-H", false));
        persona.nmap_os = "windows_server".into();
        persona.services.get_mut("smb").unwrap().insert("domain".into(), "Corp.Example.com".into());
        let host = Host::new(&persona);
        assert_eq!((host.workgroup.as_str(), host.authority()), ("CORP", "CORP"));
        assert_eq!(host.fqdn(), "a-rather-long-hostname.corp.example.com");
        assert_eq!(host.system.build, 14393);
    }
}
