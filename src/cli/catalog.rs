//! `services`, `archetypes`, `distros`: the catalogue.

use serde_json::json;

use super::args::Output;
use super::context::Context;
use super::error::CliResult;
use crate::catalog;
use crate::ui::table::Grid;
use crate::ui::wire;

const FORMS: &[Output] = &[Output::Table, Output::Wide, Output::Json, Output::Csv, Output::Name];

pub(super) fn services(cx: &mut Context) -> CliResult {
    cx.fits("services", FORMS)?;
    let mut grid = Grid::new(&["SERVICE", "PORTS", "EMULATED", "SETTINGS", "TITLE"]);
    let mut items = Vec::new();
    for service in catalog::services() {
        let ports: Vec<String> =
            service.ports.iter().map(|p| format!("{}/{}", p.number, p.transport)).collect();
        let settings: Vec<&str> = service.settings.iter().map(|s| s.key).collect();
        let wide = cx.output != Output::Table;
        let shown = if wide { settings.join(",") } else { settings.len().to_string() };
        let emulated = if service.emulated { "yes" } else { "no" };
        grid.row(&[service.slug.into(), ports.join(","), emulated.into(), shown, service.title.into()]);
        let settings: Vec<_> = service
            .settings
            .iter()
            .map(|s| json!({"key": s.key, "type": s.kind.word(), "choices": s.kind.choices(), "default": s.default, "secret": s.secret, "help": s.help}))
            .collect();
        let ports: Vec<_> =
            service.ports.iter().map(|p| json!({"port": p.number, "transport": p.transport})).collect();
        items.push(
            json!({"slug": service.slug, "title": service.title, "ports": ports, "emulated": service.emulated,
                          "singleton": service.singleton, "settings": settings}),
        );
    }
    show(cx, &grid, "services", items, catalog::services().iter().map(|s| s.slug));
    Ok(())
}

pub(super) fn archetypes(cx: &mut Context) -> CliResult {
    cx.fits("archetypes", FORMS)?;
    let mut grid = Grid::new(&["ARCHETYPE", "SERVICES", "DISTROS", "OS", "TITLE"]);
    let mut items = Vec::new();
    for a in catalog::archetypes() {
        grid.row(&[
            a.slug.into(),
            a.services.join(","),
            a.distros.join(","),
            a.nmap_os.into(),
            a.title.into(),
        ]);
        items.push(json!({"slug": a.slug, "title": a.title, "services": a.services, "distros": a.distros,
                          "nmap_os": a.nmap_os, "deployable": deployable(a.services)}));
    }
    show(cx, &grid, "archetypes", items, catalog::archetypes().iter().map(|a| a.slug));
    Ok(())
}

fn deployable(services: &[&str]) -> bool {
    services.iter().all(|s| catalog::service(s).is_some_and(|s| s.emulated))
}

pub(super) fn distros(cx: &mut Context) -> CliResult {
    cx.fits("distros", FORMS)?;
    let mut grid = Grid::new(&["DISTRO", "TITLE"]);
    let mut items = Vec::new();
    for d in catalog::distros() {
        grid.row(&[d.slug.into(), d.title.into()]);
        items.push(
            json!({"slug": d.slug, "title": d.title, "base_image": d.base_image, "build_base": d.build_base}),
        );
    }
    show(cx, &grid, "distros", items, catalog::distros().iter().map(|d| d.slug));
    Ok(())
}

fn show<'a>(
    cx: &mut Context,
    grid: &Grid,
    what: &str,
    items: Vec<serde_json::Value>,
    names: impl Iterator<Item = &'a str>,
) {
    match cx.output {
        Output::Json => cx.json(&wire::list(what, items)),
        Output::Csv => cx.ui.data(&grid.csv()),
        Output::Name => cx.ui.data(&names.map(|n| format!("{n}\n")).collect::<String>()),
        _ => {
            let text = grid.text(cx.ui.color_out(), cx.ui.width());
            cx.ui.data(&text);
        }
    }
}
