//! How a machine names itself to Windows' protocols: what smb, rdp and mssql of one decky agree on.

use crate::decoy::setting;
use crate::model::Persona;

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
    /// The machine of a persona; `workgroup` and `domain` are settings of its smb.
    pub(crate) fn new(persona: &Persona) -> Self {
        let smb = persona.services.get("smb");
        let given = |key: &str| smb.and_then(|settings| setting::text(settings, key));
        let short = persona.hostname.split('.').next().unwrap_or_default();
        let suffix = persona.hostname.split_once('.').map(|(_, domain)| domain.to_owned());
        let system = match persona.nmap_os.as_str() {
            "windows" => WORKSTATION,
            "windows_server" => SERVER,
            _ => OTHER,
        };
        let domain = given("domain").map(str::to_ascii_lowercase).or(suffix.filter(|_| system.windows));
        let workgroup = given("workgroup").map(ToOwned::to_owned).or_else(|| {
            let first = domain.as_deref()?.split('.').next()?;
            Some(first.to_owned())
        });
        Self {
            computer: netbios(short),
            workgroup: netbios(workgroup.as_deref().unwrap_or(WORKGROUP)),
            domain,
            hostname: short.to_owned(),
            system,
        }
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

/// A NetBIOS name: fifteen bytes, upper case.
fn netbios(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(15).collect::<String>().to_ascii_uppercase()
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
