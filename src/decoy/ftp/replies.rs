//! What each product answers, word for word (measured: vsftpd 3.0.3, ProFTPD 1.3.8, Pure-FTPd 1.0.50 of
//! Debian 12).

use super::product::Product::{self, Proftpd, Pureftpd, Vsftpd};

/// Something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say<'a> {
    LoginFirst,
    Unknown(&'a str),
    WantPassword(&'a str),
    WantEmail,
    WantUser,
    NoUser,
    LoggedIn(&'a str, &'a str),
    AnonymousIn,
    Refused,
    Already,
    NoOtherUser,
    Bye,
    Noop,
    Features,
    Help,
    Here(&'a str),
    Moved(&'a str, &'a str),
    NoDirectory(&'a str, &'a str),
    Type(char),
    NoType(&'a str),
    Mode(bool, &'a str),
    Structure(bool, &'a str),
    NoSize(&'a str, &'a str),
    NoSizeInText,
    NoTime(&'a str, &'a str),
    Restart(u64),
    NoRestart,
    NoData,
    NoConnection(u16),
    Listing(&'a str),
    Listed(usize, &'a str),
    NotListed(&'a str, &'a str),
    Sending(&'a str, usize, bool),
    Taking(&'a str, bool),
    TakingUnique(&'a str),
    Done(bool),
    BrokenOff,
    NoOpen(&'a str, &'a str),
    NoStore(&'a str, &'a str),
    NotAllowed(&'a str, &'a str),
    Made(&'a str, &'a str),
    NotMade(&'a str, &'a str),
    Unmade(&'a str),
    NotUnmade(&'a str, &'a str),
    Deleted(&'a str),
    NotDeleted(&'a str, &'a str),
    RenameFrom,
    NoRenameFrom(&'a str, &'a str),
    RenameFirst,
    Renamed,
    NotRenamed(&'a str, &'a str),
    NoPassive,
    PassiveAfterAll,
    Extended(u16),
    BadProtocol,
    ExtendedAll,
    Active(&'a str),
    NoActive(&'a str, &'a str, &'a str),
    BadActive(&'a str),
    Abort,
    NoTls,
    Utf8,
    NoOption(&'a str),
    Allocate,
    Missing(&'a str),
    SiteHelp,
    NoSite(&'a str),
    Chmod(&'a str),
    NoChmod(&'a str, &'a str),
    Umask,
    TooLong,
    Idle,
}

/// The lines of a reply, each with its CR LF.
pub(super) fn say(product: Product, what: Say<'_>) -> String {
    let text = match product {
        Vsftpd => vsftpd(what),
        Proftpd => proftpd(what),
        Pureftpd => pureftpd(what),
    };
    let mut out = String::with_capacity(text.len() + 2);
    for line in text.split('\n') {
        out.extend(line.chars().filter(|c| !c.is_control()));
        out.push_str("\r\n");
    }
    out
}

/// The name `SYST` gives; all three agree.
pub(super) const SYSTEM: &str = "215 UNIX Type: L8\r\n";

fn vsftpd(what: Say<'_>) -> String {
    let text = match what {
        Say::LoginFirst => "530 Please login with USER and PASS.",
        Say::Unknown(_) | Say::NoTls => "500 Unknown command.",
        Say::WantPassword(_) | Say::WantEmail | Say::NoUser => "331 Please specify the password.",
        Say::WantUser => "503 Login with USER first.",
        Say::LoggedIn(..) | Say::AnonymousIn => "230 Login successful.",
        Say::Refused => "530 Login incorrect.",
        Say::Already => "230 Already logged in.",
        Say::NoOtherUser => "530 Can't change from guest user.",
        Say::Bye => "221 Goodbye.",
        Say::Noop => "200 NOOP ok.",
        Say::Features => "211-Features:\n EPRT\n EPSV\n MDTM\n PASV\n REST STREAM\n SIZE\n TVFS\n211 End",
        Say::Help => {
            "214-The following commands are recognized.\n ABOR ACCT ALLO APPE CDUP CWD  DELE EPRT EPSV FEAT HELP LIST \
             MDTM MKD\n MODE NLST NOOP OPTS PASS PASV PORT PWD  QUIT REIN REST RETR RMD  RNFR\n RNTO SITE SIZE SMNT \
             STAT STOR STOU STRU SYST TYPE USER XCUP XCWD XMKD\n XPWD XRMD\n214 Help OK."
        }
        Say::Here(path) => return format!("257 \"{}\" is the current directory", quoted(path)),
        Say::Moved(..) => "250 Directory successfully changed.",
        Say::NoDirectory(..) => "550 Failed to change directory.",
        Say::Type('A') => "200 Switching to ASCII mode.",
        Say::Type(_) => "200 Switching to Binary mode.",
        Say::NoType(_) => "500 Unrecognised TYPE command.",
        Say::Mode(true, _) => "200 Mode set to S.",
        Say::Mode(false, _) => "504 Bad MODE command.",
        Say::Structure(true, _) => "200 Structure set to F.",
        Say::Structure(false, _) => "504 Bad STRU command.",
        Say::NoSize(..) | Say::NoSizeInText => "550 Could not get file size.",
        Say::NoTime(..) => "550 Could not get file modification time.",
        Say::Restart(at) => return format!("350 Restart position accepted ({at})."),
        Say::NoRestart => "350 Restart position accepted (0).",
        Say::NoData => "425 Use PORT or PASV first.",
        Say::NoConnection(_) => "425 Failed to establish connection.",
        Say::Listing(_) => "150 Here comes the directory listing.",
        Say::Listed(..) => "226 Directory send OK.",
        Say::NotListed(..) => "226 Transfer done (but failed to open directory).",
        Say::Sending(name, size, binary) => {
            let mode = if binary { "BINARY" } else { "ASCII" };
            return format!("150 Opening {mode} mode data connection for {name} ({size} bytes).");
        }
        Say::Taking(..) => "150 Ok to send data.",
        Say::TakingUnique(name) => return format!("150 FILE: {name}"),
        Say::Done(_) => "226 Transfer complete.",
        Say::BrokenOff => "426 Failure reading network stream.",
        Say::NoOpen(..) => "550 Failed to open file.",
        Say::NoStore(..) => "553 Could not create file.",
        Say::NotAllowed(..) | Say::NoPassive | Say::PassiveAfterAll => "550 Permission denied.",
        Say::Made(_, path) => return format!("257 \"{}\" created", quoted(path)),
        Say::NotMade(..) => "550 Create directory operation failed.",
        Say::Unmade(_) => "250 Remove directory operation successful.",
        Say::NotUnmade(..) => "550 Remove directory operation failed.",
        Say::Deleted(_) => "250 Delete operation successful.",
        Say::NotDeleted(..) => "550 Delete operation failed.",
        Say::RenameFrom => "350 Ready for RNTO.",
        Say::NoRenameFrom(..) => "550 RNFR command failed.",
        Say::RenameFirst => "503 RNFR required first.",
        Say::Renamed => "250 Rename successful.",
        Say::NotRenamed(..) => "550 Rename failed.",
        Say::Extended(port) => return format!("229 Entering Extended Passive Mode (|||{port}|)"),
        Say::BadProtocol => "522 Bad network protocol.",
        Say::ExtendedAll => "200 EPSV ALL ok.",
        Say::Active("EPRT") => "200 EPRT command successful. Consider using EPSV.",
        Say::Active(_) => "200 PORT command successful. Consider using PASV.",
        Say::NoActive(verb, ..) | Say::BadActive(verb) => return format!("500 Illegal {verb} command."),
        Say::Abort => "225 No transfer to ABOR.",
        Say::Utf8 => "200 Always in UTF8 mode.",
        Say::NoOption(_) => "501 Option not understood.",
        Say::Allocate => "202 ALLO command ignored.",
        Say::Missing(verb) => return format!("502 {verb} not implemented."),
        Say::SiteHelp => "214 CHMOD UMASK HELP",
        Say::NoSite(_) => "500 Unknown SITE command.",
        Say::Chmod(_) => "200 SITE CHMOD command ok.",
        Say::NoChmod(..) => "550 SITE CHMOD command failed.",
        Say::Umask => "200 Your current UMASK is 077",
        Say::TooLong => "500 Input line too long.",
        Say::Idle => "421 Timeout.",
    };
    text.to_owned()
}

fn proftpd(what: Say<'_>) -> String {
    let text = match what {
        Say::LoginFirst => "530 Please login with USER and PASS",
        Say::Unknown(verb) => return format!("500 {verb} not understood"),
        Say::NoTls => "500 AUTH not understood",
        Say::WantPassword(user) => return format!("331 Password required for {user}"),
        Say::WantEmail => "331 Anonymous login ok, send your complete email address as your password",
        Say::WantUser => "503 Login with USER first",
        Say::NoUser => "500 USER: command requires a parameter",
        Say::LoggedIn(user, _) => return format!("230 User {user} logged in"),
        Say::AnonymousIn => "230 Anonymous access granted, restrictions apply",
        Say::Refused => "530 Login incorrect.",
        Say::Already => "503 You are already logged in",
        Say::NoOtherUser => "501 Reauthentication not supported",
        Say::Bye => "221 Goodbye.",
        Say::Noop => "200 NOOP command successful",
        Say::Features => {
            "211-Features:\n CLNT\n CSID\n EPRT\n EPSV\n HOST\n LANG en-US*\n MDTM\n MFF \
             modify;UNIX.group;UNIX.mode;\n MFMT\n MLST \
             modify*;perm*;size*;type*;unique*;UNIX.group*;UNIX.groupname*;UNIX.mode*;UNIX.owner*;UNIX.ownername*;\n \
             RANG STREAM\n REST STREAM\n SIZE\n TVFS\n UTF8\n211 End"
        }
        Say::Help => {
            "214-The following commands are recognized (* =>'s unimplemented):\n CWD     XCWD    CDUP    XCUP    SMNT*   \
             QUIT    PORT    PASV    \n EPRT    EPSV    ALLO    RNFR    RNTO    DELE    MDTM    RMD     \n XRMD    MKD     \
             XMKD    PWD     XPWD    SIZE    SYST    HELP    \n NOOP    FEAT    OPTS    HOST    CLNT    AUTH*   CCC*    \
             CONF*   \n ENC*    MIC*    PBSZ*   PROT*   TYPE    STRU    MODE    RETR    \n STOR    STOU    APPE    REST    \
             ABOR    RANG    USER    PASS    \n ACCT*   REIN*   LIST    NLST    STAT    SITE    MLSD    MLST    \n214 \
             Direct comments to root@localhost"
        }
        Say::Here(path) => return format!("257 \"{}\" is the current directory", quoted(path)),
        Say::Moved(verb, _) => return format!("250 {verb} command successful"),
        Say::NoDirectory("", _) => "501 Invalid number of parameters",
        Say::NoDirectory(path, why)
        | Say::NoTime(path, why)
        | Say::NoOpen(path, why)
        | Say::NoStore(path, why)
        | Say::NotMade(path, why)
        | Say::NotUnmade(path, why)
        | Say::NotDeleted(path, why)
        | Say::NoRenameFrom(path, why)
        | Say::NotRenamed(path, why)
        | Say::NoChmod(path, why)
        | Say::NoSize(path, why) => return format!("550 {path}: {why}"),
        Say::Type(kind) => return format!("200 Type set to {kind}"),
        Say::NoType("") => "500 'TYPE' not understood",
        Say::NoType(kind) => return format!("504 TYPE not implemented for '{kind}' parameter"),
        Say::Mode(true, _) => "200 Mode set to S",
        Say::Mode(false, kind) => return format!("504 'MODE {kind}' unsupported transfer mode"),
        Say::Structure(true, _) => "200 Structure set to F",
        Say::Structure(false, kind) => return format!("504 'STRU {kind}' unsupported structure type"),
        Say::NoSizeInText => "550 SIZE not allowed in ASCII mode",
        Say::Restart(at) => {
            return format!("350 Restarting at {at}. Send STORE or RETRIEVE to initiate transfer");
        }
        Say::NoRestart => "501 REST requires a value greater than or equal to 0",
        Say::NoData | Say::NoConnection(_) => "425 Unable to build data connection: Connection refused",
        Say::Listing("MLSD") => "150 Opening ASCII mode data connection for MLSD",
        Say::Listing(_) => "150 Opening ASCII mode data connection for file list",
        Say::Listed(..) | Say::Done(_) => "226 Transfer complete",
        Say::NotListed(path, why) => return format!("450 {path}: {why}"),
        Say::Sending(name, size, binary) => {
            let mode = if binary { "BINARY" } else { "ASCII" };
            return format!("150 Opening {mode} mode data connection for {name} ({size} bytes)");
        }
        Say::Taking(name, binary) => {
            let mode = if binary { "BINARY" } else { "ASCII" };
            return format!("150 Opening {mode} mode data connection for {name}");
        }
        Say::TakingUnique(name) => return format!("150 FILE: {name}"),
        Say::BrokenOff => "426 Transfer aborted. Data connection closed",
        Say::NotAllowed("MKD" | "XMKD" | "RMD" | "XRMD", path) => {
            return format!("550 {path}: Permission denied");
        }
        Say::NotAllowed("SITE", path) => return format!("550 {path}: Permission denied"),
        Say::NotAllowed(_, path) => return format!("550 {path}: Operation not permitted"),
        Say::Made(_, path) => return format!("257 \"{}\" - Directory successfully created", quoted(path)),
        Say::Unmade(verb) | Say::Deleted(verb) => return format!("250 {verb} command successful"),
        Say::RenameFrom => "350 File or directory exists, ready for destination name",
        Say::RenameFirst => "503 Bad sequence of commands",
        Say::Renamed => "250 Rename successful",
        Say::NoPassive => "425 Unable to build data connection: Cannot assign requested address",
        Say::PassiveAfterAll => "500 Illegal PASV command, EPSV ALL in effect",
        Say::Extended(port) => return format!("229 Entering Extended Passive Mode (|||{port}|)"),
        Say::BadProtocol => "522 Network protocol not supported, use (1)",
        Say::ExtendedAll => "200 EPSV ALL command successful",
        Say::Active(verb) => return format!("200 {verb} command successful"),
        Say::NoActive(verb, ..) => return format!("500 Illegal {verb} command"),
        Say::BadActive(verb) => return format!("501 Illegal {verb} command"),
        Say::Abort => "226 Abort successful",
        Say::Utf8 => "200 UTF8 set to on",
        Say::NoOption("") => "501 Invalid number of parameters",
        Say::NoOption("UTF8") => "501 'OPTS UTF8' not understood",
        Say::NoOption(arg) => return format!("500 OPTS {arg} not understood"),
        Say::Allocate => "202 No storage allocation necessary",
        Say::Missing(verb) => return format!("502 {verb} command not implemented"),
        Say::SiteHelp => {
            "214-The following SITE commands are recognized (* =>'s unimplemented)\n HELP\n CHGRP\n CHMOD\n214 Direct \
             comments to root@localhost"
        }
        Say::NoSite("") => "500 'SITE' requires parameters",
        Say::NoSite(arg) => return format!("500 'SITE {arg}' not understood"),
        Say::Chmod(_) => "200 SITE CHMOD command successful",
        Say::Umask => "500 'SITE UMASK' not understood",
        Say::TooLong => "500 Command too long",
        Say::Idle => "421 Idle timeout (600 seconds): closing control connection",
    };
    text.to_owned()
}

fn pureftpd(what: Say<'_>) -> String {
    let text = match what {
        Say::LoginFirst => "530 You aren't logged in",
        Say::Unknown(_) => "500 Unknown command",
        Say::NoTls => "500 This security scheme is not implemented",
        Say::WantPassword(user) => return format!("331 User {user} OK. Password required"),
        Say::WantEmail | Say::NoUser => "331 Any password will work",
        Say::WantUser => "530 Please tell me who you are",
        Say::LoggedIn(_, home) => return format!("230 OK. Current directory is {home}"),
        Say::AnonymousIn => "230 Any password will work",
        Say::Refused => "530 Login authentication failed",
        Say::Already | Say::NoOtherUser => "530 You're already logged in",
        Say::Bye => "221-Goodbye. You uploaded 0 and downloaded 0 kbytes.\n221 Logout.",
        Say::Noop => "200 Zzz...",
        Say::Features => {
            "211-Extensions supported:\n UTF8\n EPRT\n IDLE\n MDTM\n SIZE\n MFMT\n REST STREAM\n MLST \
             type*;size*;sizd*;modify*;UNIX.mode*;UNIX.uid*;UNIX.gid*;unique*;\n MLSD\n PRET\n AUTH TLS\n PBSZ\n PROT\n \
             TVFS\n ESTA\n PASV\n EPSV\n ESTP\n211 End."
        }
        Say::Help | Say::SiteHelp => {
            "214-The following SITE commands are recognized\n ALIAS\n CHMOD\n IDLE\n UTIME\n214 Pure-FTPd - \
             http://pureftpd.org/"
        }
        Say::Here(path) => return format!("257 \"{}\" is your current location", quoted(path)),
        Say::Moved(_, path) => return format!("250 OK. Current directory is {path}"),
        Say::NoDirectory(path, why) => return format!("550 Can't change directory to {path}: {why}"),
        Say::Type('A') => "200 TYPE is now ASCII",
        Say::Type(_) => "200 TYPE is now 8-bit binary",
        Say::NoType("") => "501-Missing argument\n501-A(scii) I(mage) L(ocal)\n501 TYPE is now ASCII",
        Say::NoType(kind) => return format!("504-Unknown TYPE: {kind}\n504 TYPE is now 8-bit binary"),
        Say::Mode(true, _) => "200 S OK",
        Say::Mode(false, _) => "504 Please use S(tream) mode",
        Say::Structure(true, _) => "200 F OK",
        Say::Structure(false, _) => "504 Only F(ile) is supported",
        Say::NoSize(_, "No such file or directory") | Say::NoTime(_, "No such file or directory") => {
            "550 Can't check for file existence"
        }
        Say::NoSize(..) | Say::NoTime(..) | Say::NoSizeInText => "550 I can only retrieve regular files",
        Say::Restart(at) => return format!("350 Restarting at {at}"),
        Say::NoRestart => "554-REST needs a numeric parameter\n554 Restart offset reset to 0",
        Say::NoData => "425 No data connection",
        Say::NoConnection(port) => {
            return format!("425 Could not open data connection to port {port}: Connection refused");
        }
        Say::Listing(_) | Say::Sending(..) | Say::Taking(..) => "150 Accepted data connection",
        Say::Listed(count, "") => return format!("226 {count} matches total"),
        Say::Listed(count, options) => return format!("226-Options: {options} \n226 {count} matches total"),
        Say::NotListed(..) => "550 Can't check for file existence",
        Say::Done(true) => {
            "226-File successfully transferred\n226 0.001 seconds (measured here), 64.21 Kbytes per second"
        }
        Say::Done(false) => {
            "226-Warning: client is in ASCII mode - Assuming data is plain text\n226-File successfully \
             transferred\n226 0.001 seconds (measured here), 64.21 Kbytes per second"
        }
        Say::TakingUnique(name) => return format!("150-FILE: {name}\n150 Accepted data connection"),
        Say::BrokenOff => "426 Transfer aborted",
        Say::NoOpen(path, why @ "No such file or directory") => {
            return format!("550 Can't open {path}: {why}");
        }
        Say::NoOpen(..) => "550 I can only retrieve regular files",
        Say::NoStore(_, why) => return format!("553 Can't open that file: {why}"),
        Say::NotAllowed("STOR" | "APPE" | "STOU", _) => "553 Can't open that file: Permission denied",
        Say::NotAllowed("DELE", _) => "550 Anonymous users can not delete files",
        Say::NotAllowed("MKD" | "XMKD", _) => {
            "550 Sorry, anonymous users are not allowed to create directories"
        }
        Say::NotAllowed("RMD" | "XRMD", _) => {
            "550 Sorry, anonymous users are not allowed to remove directories"
        }
        Say::NotAllowed("SITE", _) => "550 Anonymous users can not change perms",
        Say::NotAllowed(..) => "550 Anonymous users are not allowed to move/rename files",
        Say::Made(name, _) => {
            return format!("257 \"{}\" : The directory was successfully created", quoted(name));
        }
        Say::NotMade(_, why) => return format!("550 Can't create directory: {why}"),
        Say::Unmade(_) => "250 The directory was successfully removed",
        Say::NotUnmade(_, why) => return format!("550 Can't remove directory: {why}"),
        Say::Deleted(name) => return format!("250 Deleted {name}"),
        Say::NotDeleted(path, why) => return format!("550 Could not delete {path}: {why}"),
        Say::RenameFrom => "350 RNFR accepted - file exists, ready for destination",
        Say::NoRenameFrom(..) => "550 Sorry, but that file doesn't exist",
        Say::RenameFirst => "503 Need RNFR before RNTO",
        Say::Renamed => "250 File successfully renamed or moved",
        Say::NotRenamed(_, why) => return format!("451 Rename/move failure: {why}"),
        Say::NoPassive => "425 Unable to find a free port for passive mode",
        Say::PassiveAfterAll => "501 You can't use PASV after EPSV ALL",
        Say::Extended(port) => return format!("229 Extended Passive mode OK (|||{port}|)"),
        Say::BadProtocol => "522 Only IPv4 and IPv6 are supported (1,2)",
        Say::ExtendedAll => "220 OK",
        Say::Active(_) => "200 PORT command successful",
        Say::NoActive(_, "", _) => "501 Sorry, but I won't connect to ports < 1024",
        Say::NoActive(_, to, only) => {
            return format!("500 I won't open a connection to {to} (only to {only})");
        }
        Say::BadActive(_) => "501 Syntax error in IP address",
        Say::Abort => "226 Since you see this ABOR must've succeeded",
        Say::Utf8 => "200 OK, UTF-8 enabled",
        Say::NoOption(_) => "504 Unknown command",
        Say::Allocate => "200 A L'HUILE",
        Say::Missing("ACCT") => "202 WAT",
        Say::Missing(_) => "500 Unknown command",
        Say::NoSite("") => "500 SITE: Missing argument",
        Say::NoSite(arg) => return format!("500 SITE {arg} is an unknown extension"),
        Say::Chmod(name) => return format!("200 Permissions changed on {name}"),
        Say::NoChmod(path, why) => return format!("550 Could not change perms on {path}: {why}"),
        Say::Umask => "500 SITE UMASK is an unknown extension",
        Say::TooLong => "500 Line too long",
        Say::Idle => "421 Timeout - try typing a little faster next time",
    };
    text.to_owned()
}

/// RFC 959 appendix II: a quote in a path is doubled.
fn quoted(path: &str) -> String {
    path.replace('"', "\"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_end_well_and_cannot_be_split() {
        assert_eq!(say(Vsftpd, Say::LoginFirst), "530 Please login with USER and PASS.\r\n");
        assert_eq!(say(Proftpd, Say::Unknown("A\rB")), "500 AB not understood\r\n");
        assert_eq!(say(Pureftpd, Say::Here("/a\"b")), "257 \"/a\"\"b\" is your current location\r\n");
        for product in [Vsftpd, Proftpd, Pureftpd] {
            for what in [Say::Features, Say::Help, Say::Bye] {
                let text = say(product, what);
                let code = &text[..3];
                let last = text.trim_end().rsplit("\r\n").next().unwrap();
                assert!(last.starts_with(code) && last[3..].starts_with(' '), "{text}");
            }
        }
    }
}
