//! The planner, case by case.

mod additive;
mod network;
mod others;
mod replace;

use std::net::Ipv4Addr;

use super::fixtures::{deployed, spec};
use super::{Change, Plan, Refusal, RefusalKind};
use crate::model::{CustomService, DeckySpec, Fleet};

pub(super) fn three() -> Fleet {
    deployed(vec![spec("a"), spec("b"), spec("c")])
}

pub(super) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(super) fn services(decky: DeckySpec, list: &[&str]) -> DeckySpec {
    DeckySpec { services: Some(list.iter().map(|&s| s.to_owned()).collect()), ..decky }
}

pub(super) fn archetype(name: &str, slug: &str) -> DeckySpec {
    DeckySpec { services: None, archetype: Some(slug.to_owned()), ..spec(name) }
}

pub(super) fn reasons(plan: &Plan) -> Vec<&str> {
    plan.changes.iter().map(|c| c.reason.as_deref().unwrap_or("")).collect()
}

pub(super) fn paths(change: &Change) -> Vec<&str> {
    change.fields.iter().map(|f| f.path.as_str()).collect()
}

pub(super) fn kinds(refusals: &[Refusal]) -> Vec<RefusalKind> {
    refusals.iter().map(|r| r.kind).collect()
}

pub(super) fn custom(slug: &str, binary: &str) -> CustomService {
    CustomService {
        slug: slug.to_owned(),
        binary: binary.to_owned(),
        ports: vec![9999],
        ..CustomService::default()
    }
}
