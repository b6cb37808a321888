//! Two links of a namespace, each of which passes on to the other whatever comes in.

use super::batch::{Batch, Hook, Policy};
use super::expr::{Expr, R0};
use super::message::Family;
use super::socket::{Nfnetlink, NftError};

/// Joins two links, by name and number, in the namespace of the calling thread, for as long as that is there.
///
/// # Errors
/// What the kernel says.
pub fn relay(one: (&str, u32), other: (&str, u32)) -> Result<(), NftError> {
    let mut batch = Batch::new(Family::Netdev, "decnet");
    batch.table(false);
    for ((from, _), (_, to)) in [(one, other), (other, one)] {
        batch.hook(from, Hook::Ingress(from), 0, Policy::Drop);
        batch.rule(from, [Expr::Value(R0, to.to_ne_bytes().to_vec()), Expr::Forward(R0)]);
    }
    Nfnetlink::open()?.commit(&batch)
}
