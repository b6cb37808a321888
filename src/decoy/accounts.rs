//! Who may log in to a machine: the settings that ssh and telnet share.

use serde_json::Value;

use crate::model::Settings;

/// The login policy of one service.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    all: bool,
    accounts: Vec<(String, String)>,
}

impl Policy {
    /// Reads `accept`, `password`, `user`, `user_password`; a value that does not fit is its default.
    pub(crate) fn new(settings: &Settings) -> Self {
        let text = |key: &str, default: &str| {
            settings.get(key).and_then(Value::as_str).unwrap_or(default).to_owned()
        };
        let mut accounts = vec![("root".to_owned(), text("password", "admin"))];
        let user = text("user", "ubuntu");
        if !user.is_empty() {
            accounts.push((user, text("user_password", "admin")));
        }
        let accept = text("accept", "accounts");
        if accept == "none" {
            accounts.clear();
        }
        Self { all: accept == "all", accounts }
    }

    /// Whether these credentials get in.
    pub(crate) fn admits(&self, user: &[u8], password: &[u8]) -> bool {
        self.all
            || self
                .accounts
                .iter()
                .any(|(name, secret)| name.as_bytes() == user && secret.as_bytes() == password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(settings: &[(&str, &str)]) -> Policy {
        Policy::new(&settings.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect())
    }

    #[test]
    fn two_accounts_by_default() {
        let policy = policy(&[]);
        assert!(policy.admits(b"root", b"admin") && policy.admits(b"ubuntu", b"admin"));
        assert!(!policy.admits(b"root", b"") && !policy.admits(b"admin", b"admin"));
    }

    #[test]
    fn settings_decide() {
        assert!(!policy(&[("accept", "none")]).admits(b"root", b"admin"));
        assert!(policy(&[("accept", "all")]).admits(b"x", b"\xff"));
        let own = policy(&[("password", "s3"), ("user", ""), ("user_password", "u")]);
        assert!(own.admits(b"root", b"s3"));
        assert!(!own.admits(b"", b"u") && !own.admits(b"ubuntu", b"u"));
        let other = policy(&[("user", "ops"), ("user_password", "u"), ("accept", "nonsense")]);
        assert!(other.admits(b"ops", b"u") && !other.admits(b"ubuntu", b"admin"));
    }
}
