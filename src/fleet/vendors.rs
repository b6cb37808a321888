//! Who made a machine, and what machines of its kind are called.

/// The kinds of machine whose MAC addresses and names differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    WindowsServer,
    Workstation,
    Printer,
    Iot,
    Industrial,
    Router,
}

impl Kind {
    /// By archetype, else by OS family.
    pub(super) fn of(archetype: Option<&str>, nmap_os: &str) -> Self {
        match archetype {
            Some("printer") => return Self::Printer,
            Some("iot-device") => return Self::Iot,
            Some("industrial-control") => return Self::Industrial,
            _ => {}
        }
        match nmap_os {
            "windows" => Self::Workstation,
            "windows_server" => Self::WindowsServer,
            "embedded" => Self::Iot,
            "cisco" => Self::Router,
            _ => Self::Server,
        }
    }

    /// Vendor prefixes (IEEE registry) of machines of this kind.
    pub(super) fn prefixes(self) -> &'static [[u8; 3]] {
        match self {
            Self::Server => &[
                [0x00, 0x50, 0x56], // VMware, set by vCenter
                [0x00, 0x0c, 0x29], // VMware, set by the host
                [0x52, 0x54, 0x00], // QEMU and KVM
                [0x00, 0x16, 0x3e], // Xen
            ],
            Self::WindowsServer => &[
                [0x00, 0x15, 0x5d], // Hyper-V
                [0x00, 0x50, 0x56],
                [0x00, 0x0c, 0x29],
            ],
            Self::Workstation => &[
                [0x18, 0xdb, 0xf2], // Dell
                [0xf8, 0xb1, 0x56], // Dell
                [0xd8, 0x9e, 0xf3], // Dell
                [0xa4, 0xbb, 0x6d], // Dell
                [0x3c, 0x52, 0x82], // Hewlett Packard
                [0xc8, 0xd9, 0xd2], // Hewlett Packard
                [0x10, 0xe7, 0xc6], // Hewlett Packard
                [0x54, 0xe1, 0xad], // LCFC, for Lenovo
                [0x8c, 0x16, 0x45], // LCFC, for Lenovo
                [0xc8, 0x5b, 0x76], // LCFC, for Lenovo
            ],
            Self::Printer => &[HP, BROTHER, BROTHER_OLD, CANON, EPSON, LEXMARK, XEROX],
            Self::Iot => &[
                [0x24, 0x0a, 0xc4], // Espressif
                [0x30, 0xae, 0xa4], // Espressif
                [0xa4, 0xcf, 0x12], // Espressif
                [0x5c, 0xcf, 0x7f], // Espressif
            ],
            Self::Industrial => &[
                [0x00, 0x0e, 0x8c], // Siemens
                [0x00, 0x1b, 0x1b], // Siemens
                [0x28, 0x63, 0x36], // Siemens
            ],
            Self::Router => &[
                [0x00, 0x1b, 0x54], // Cisco
                [0x00, 0x23, 0xac], // Cisco
                [0x54, 0x75, 0xd0], // Cisco
            ],
        }
    }
}

const HP: [u8; 3] = [0x94, 0x57, 0xa5];
const BROTHER: [u8; 3] = [0x30, 0x05, 0x5c];
const BROTHER_OLD: [u8; 3] = [0x00, 0x80, 0x77];
const CANON: [u8; 3] = [0x18, 0x0c, 0xac];
const EPSON: [u8; 3] = [0x64, 0xeb, 0x8c];
const LEXMARK: [u8; 3] = [0x00, 0x21, 0xb7];
const XEROX: [u8; 3] = [0x9c, 0x93, 0x4e];

/// The name a printer has out of the box: its maker's prefix and digits of its MAC address.
pub(super) fn printer_hostname(mac: [u8; 6]) -> String {
    let [a, b, c, tail @ ..] = mac;
    let (all, tail) = (hex::encode_upper(mac), hex::encode_upper(tail));
    match [a, b, c] {
        BROTHER | BROTHER_OLD => format!("BRN{all}"),
        CANON => format!("Canon{tail}"),
        EPSON => format!("EPSON{tail}"),
        LEXMARK => format!("ET{all}"),
        XEROX => format!("XRX{all}"),
        _ => format!("NPI{tail}"),
    }
}

/// Words that administrators name machines after.
pub(super) const WORDS: &[&str] = &[
    "app", "atlas", "auth", "backup", "build", "cache", "cedar", "cobalt", "comet", "data", "db", "delta",
    "dev", "echo", "edge", "falcon", "file", "gamma", "git", "granite", "harbor", "infra", "intra", "jade",
    "juniper", "kilo", "lima", "log", "lynx", "mail", "maple", "mars", "media", "monitor", "neon", "nova",
    "ops", "orion", "oscar", "pine", "portal", "prod", "proxy", "quartz", "raven", "repo", "saturn",
    "search", "sigma", "stage", "store", "tango", "test", "titan", "vault", "vega", "web", "wiki", "zeta",
    "zulu",
];
