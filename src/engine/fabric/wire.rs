//! The interface that deckies hang on: whether it is there and carries.

use super::Wire;
use crate::host::net::{Link, NetlinkError, Rtnetlink};

/// How the wire is for a decky on `interface` whose link was made on number `index`.
pub(super) fn look(
    netlink: &mut Rtnetlink,
    interface: &str,
    index: Option<u32>,
) -> Result<Wire, NetlinkError> {
    let named = netlink.link(interface)?;
    let own = match index {
        Some(index) if named.as_ref().is_none_or(|link| link.index != index) => netlink.link_at(index)?,
        _ => None,
    };
    Ok(judge(interface, index, named.as_ref(), own.as_ref()))
}

/// `named`: the link that has the name now. `own`: that with the number, where it is another one.
fn judge(interface: &str, index: Option<u32>, named: Option<&Link>, own: Option<&Link>) -> Wire {
    let broken = |what: &str| Wire::Broken(format!("parent {interface} {what}"));
    match (named, own) {
        (None, Some(own)) => Wire::Broken(format!("parent {interface} is now called {}", own.name)),
        (None, None) => broken("is gone"),
        (Some(link), _) if index.is_some_and(|index| index != link.index) => Wire::Replaced,
        (Some(link), _) if !link.up => broken("is down"),
        (Some(link), _) if !link.carrier => broken("has no carrier: its cable is pulled"),
        (Some(_), _) => Wire::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, index: u32, up: bool, carrier: bool) -> Link {
        Link { index, name: name.to_owned(), up, carrier, ..Link::default() }
    }

    #[test]
    fn says_what_became_of_the_parent() {
        let fine = link("eth0", 3, true, true);
        assert_eq!(judge("eth0", Some(3), Some(&fine), None), Wire::Fine);
        assert_eq!(judge("eth0", None, Some(&fine), None), Wire::Fine);
        assert_eq!(judge("eth0", Some(2), Some(&fine), None), Wire::Replaced);
        let cases = [
            (Some(link("eth0", 3, false, false)), None, "parent eth0 is down"),
            (Some(link("eth0", 3, true, false)), None, "parent eth0 has no carrier: its cable is pulled"),
            (None, None, "parent eth0 is gone"),
            (None, Some(link("lan0", 3, true, true)), "parent eth0 is now called lan0"),
        ];
        for (named, own, expected) in cases {
            let judged = judge("eth0", Some(3), named.as_ref(), own.as_ref());
            assert_eq!(judged, Wire::Broken(expected.to_owned()));
        }
    }
}
