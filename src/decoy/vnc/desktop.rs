//! What a client sees and does once it is in.

use std::io;

use super::counted;
use super::screen::{Format, SIZE, Screen};
use crate::decoy::buffered::{Buffered, Cursor};
use crate::event::Kind;

/// Most whole screens a session is sent; after them the screen stands still.
const SCREENS_MAX: u64 = 24;
/// Most keys that are noted before they are recorded, and how often that is done.
const KEYS_MAX: (usize, u32) = (256, 64);
/// Most clicks that are recorded one by one.
const CLICKS_MAX: u32 = 64;
/// Most of a cut text that is looked at; longer ones are read over.
const CUT_MAX: usize = 4096;
/// Most messages of a session.
const MESSAGES_MAX: u32 = 200_000;

/// A session at the screen.
struct Desktop<'a> {
    screen: &'a Screen,
    format: Format,
    hextile: bool,
    /// Pixels that may still be sent.
    left: u64,
    keys: String,
    noted: u32,
    buttons: u8,
    clicks: u32,
}

/// Serves an authenticated client to its end.
pub(super) async fn show(wire: &mut Buffered, screen: &Screen, name: &str) -> io::Result<()> {
    let Some(shared) = wire.byte().await? else { return Ok(()) };
    wire.session.record.event(Kind::Session, "desktop").field("vnc.shared", shared != 0).emit();
    let mut out = [SIZE.0.to_be_bytes(), SIZE.1.to_be_bytes()].concat();
    out.extend_from_slice(&Format::SERVER.bytes());
    out.extend_from_slice(&counted(name));
    wire.write(&out).await?;
    let mut desktop = Desktop {
        screen,
        format: Format::SERVER,
        hextile: false,
        left: SCREENS_MAX * u64::from(SIZE.0) * u64::from(SIZE.1),
        keys: String::new(),
        noted: 0,
        buttons: 0,
        clicks: 0,
    };
    let done = desktop.run(wire).await;
    desktop.note(wire);
    done
}

impl Desktop<'_> {
    async fn run(&mut self, wire: &mut Buffered) -> io::Result<()> {
        for _ in 0..MESSAGES_MAX {
            let Some(kind) = wire.byte().await? else { return Ok(()) };
            let length = match kind {
                0 => 19,
                2 => 3,
                3 => 9,
                4 => 7,
                5 => 5,
                6 => 7,
                _ => {
                    wire.session.record.error("protocol", "unknown message type");
                    return Ok(());
                }
            };
            let Some(body) = wire.exact(length).await? else { return Ok(()) };
            let mut cursor = Cursor(&body);
            let fits = match kind {
                0 => self.set_format(cursor.0.get(3..).unwrap_or_default()),
                2 => self.set_encodings(wire, cursor.0).await?,
                3 => self.update(wire, cursor).await?,
                4 => {
                    let down = cursor.u8().unwrap_or(0) != 0;
                    cursor.be16();
                    self.key(wire, down, cursor.be32().unwrap_or(0));
                    true
                }
                5 => {
                    let buttons = cursor.u8().unwrap_or(0);
                    self.pointer(wire, buttons, cursor.be16().unwrap_or(0), cursor.be16().unwrap_or(0));
                    true
                }
                _ => {
                    cursor.take(3);
                    let length = usize::try_from(cursor.be32().unwrap_or(0)).unwrap_or(usize::MAX);
                    let Some(text) = wire.exact(length.min(CUT_MAX)).await? else { return Ok(()) };
                    wire.session.record.event(Kind::Request, "cut_text").bytes("vnc.text", &text).emit();
                    wire.skip(length.saturating_sub(CUT_MAX)).await?
                }
            };
            if !fits {
                return Ok(());
            }
        }
        Ok(())
    }

    fn set_format(&mut self, bytes: &[u8]) -> bool {
        let format = Format::parse(bytes);
        self.format = format.unwrap_or(self.format);
        format.is_some()
    }

    async fn set_encodings(&mut self, wire: &mut Buffered, body: &[u8]) -> io::Result<bool> {
        let mut cursor = Cursor(body);
        cursor.u8();
        let count = usize::from(cursor.be16().unwrap_or(0));
        let Some(list) = wire.exact(count * 4).await? else { return Ok(false) };
        let list: Vec<u32> = list.chunks_exact(4).filter_map(|c| Cursor(c).be32()).collect();
        self.hextile = list.contains(&5);
        let shown: Vec<i32> = list.iter().take(64).map(|e| e.cast_signed()).collect();
        wire.session.record.event(Kind::Request, "encodings").field("vnc.encodings", shown).emit();
        Ok(true)
    }

    async fn update(&mut self, wire: &mut Buffered, mut cursor: Cursor<'_>) -> io::Result<bool> {
        let incremental = cursor.u8().unwrap_or(0) != 0;
        let mut next = || cursor.be16().unwrap_or(0);
        let (left, top, width, height) = (next(), next(), next(), next());
        let left = left.min(SIZE.0);
        let top = top.min(SIZE.1);
        let area = (left, top, width.min(SIZE.0 - left), height.min(SIZE.1 - top));
        let pixels = u64::from(area.2) * u64::from(area.3);
        // Nothing ever changes, so a client that waits for changes waits.
        if incremental || pixels == 0 {
            return Ok(true);
        }
        let Some(rest) = self.left.checked_sub(pixels) else { return Ok(true) };
        self.left = rest;
        let mut out = vec![0, 0, 0, 1];
        for number in [area.0, area.1, area.2, area.3] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&if self.hextile { 5u32 } else { 0 }.to_be_bytes());
        let rows = area.3.div_ceil(16);
        for row in 0..rows {
            if self.hextile {
                self.screen.hextile(self.format, area, row, &mut out);
            } else {
                let first = row * 16;
                self.screen.raw(self.format, area, (first, first.saturating_add(16).min(area.3)), &mut out);
            }
            // A row of tiles at a time: a screen is megabytes.
            wire.write(&std::mem::take(&mut out)).await?;
        }
        Ok(true)
    }

    fn key(&mut self, wire: &Buffered, down: bool, key: u32) {
        if !down {
            return;
        }
        let name = match key {
            0x20..=0x7e => String::from(char::from(u8::try_from(key).unwrap_or(b'?'))),
            0xff08 => "<BackSpace>".to_owned(),
            0xff09 => "<Tab>".to_owned(),
            0xff0d | 0xff8d => "<Return>".to_owned(),
            0xff1b => "<Escape>".to_owned(),
            0xffff => "<Delete>".to_owned(),
            // Shift and caps lock: the letter that follows tells.
            0xffe1 | 0xffe2 | 0xffe5 => return,
            0xffe3 | 0xffe4 => "<Control>".to_owned(),
            0xffe9 | 0xffea => "<Alt>".to_owned(),
            0xffeb | 0xffec => "<Super>".to_owned(),
            0xffb0..=0xffb9 => (key - 0xffb0).to_string(),
            0xffbe..=0xffc9 => format!("<F{}>", key - 0xffbd),
            _ => format!("<{key:#x}>"),
        };
        self.keys.push_str(&name);
        if matches!(key, 0xff0d | 0xff8d) || self.keys.len() >= KEYS_MAX.0 {
            self.note(wire);
        }
    }

    /// Records what was typed so far.
    fn note(&mut self, wire: &Buffered) {
        let keys = std::mem::take(&mut self.keys);
        if !keys.is_empty() && self.noted < KEYS_MAX.1 {
            self.noted += 1;
            wire.session.record.event(Kind::Command, "keys").text("vnc.keys", &keys).emit();
        }
    }

    fn pointer(&mut self, wire: &Buffered, buttons: u8, x: u16, y: u16) {
        let pressed = buttons & !self.buttons;
        self.buttons = buttons;
        if pressed != 0 && self.clicks < CLICKS_MAX {
            self.clicks += 1;
            let event = wire.session.record.event(Kind::Command, "click").field("vnc.buttons", pressed);
            event.field("vnc.x", x).field("vnc.y", y).emit();
        }
    }
}
