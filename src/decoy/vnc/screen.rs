//! The picture of a login screen, worked out pixel by pixel, and the two encodings it is sent in.

use super::font::FONT;
use crate::decoy::buffered::Cursor;
use crate::model::Persona;

/// Width and height of the screen.
pub(super) const SIZE: (u16, u16) = (1024, 768);
/// The box that asks for a name and a password: left, top, width, height.
const BOX: (u16, u16, u16, u16) = (336, 272, 352, 240);

/// How a client wants its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    bits: u8,
    big: bool,
    max: [u16; 3],
    shift: [u8; 3],
}

impl Format {
    /// What the server offers: 32 bits, blue in the lowest.
    pub(super) const SERVER: Self = Self { bits: 32, big: false, max: [255; 3], shift: [16, 8, 0] };

    /// As it is in a message: 16 bytes.
    pub(super) fn bytes(self) -> [u8; 16] {
        let [red, green, blue] = self.max.map(u16::to_be_bytes);
        let [r, g, b] = self.shift;
        let depth = if self.bits == 32 { 24 } else { self.bits };
        let big = u8::from(self.big);
        [self.bits, depth, big, 1, red[0], red[1], green[0], green[1], blue[0], blue[1], r, g, b, 0, 0, 0]
    }

    /// Reads those 16 bytes; none when no server could send such pixels.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let bits = cursor.u8()?;
        let _depth = cursor.u8()?;
        let big = cursor.u8()? != 0;
        let colour = cursor.u8()? != 0;
        let max = [cursor.be16()?, cursor.be16()?, cursor.be16()?];
        let shift = cursor.array::<3>()?;
        if !matches!(bits, 8 | 16 | 32) {
            return None;
        }
        if !colour {
            // A colour map: taken as the 3-3-2 bits that it is loaded with.
            return Some(Self { bits, big, max: [7, 7, 3], shift: [0, 3, 6] });
        }
        shift.iter().all(|s| *s < bits).then_some(Self { bits, big, max, shift })
    }

    fn put(self, colour: [u8; 3], out: &mut Vec<u8>) {
        let mut pixel = 0u32;
        for ((part, max), shift) in colour.iter().zip(self.max).zip(self.shift) {
            pixel |= (u32::from(*part) * u32::from(max) / 255).checked_shl(u32::from(shift)).unwrap_or(0);
        }
        let width = usize::from(self.bits / 8);
        if self.big {
            out.extend_from_slice(pixel.to_be_bytes().get(4 - width..).unwrap_or_default());
        } else {
            out.extend_from_slice(pixel.to_le_bytes().get(..width).unwrap_or_default());
        }
    }
}

/// A text on the screen.
struct Label {
    text: String,
    x: u16,
    y: u16,
    scale: u16,
    colour: [u8; 3],
}

/// A login screen.
pub(super) struct Screen {
    labels: Vec<Label>,
    top: [u8; 3],
    bottom: [u8; 3],
    title: [u8; 3],
}

const WHITE: [u8; 3] = [255; 3];
const INK: [u8; 3] = [40, 40, 48];
const FACE: [u8; 3] = [238, 238, 236];

impl Screen {
    /// The screen of a machine: its colours are drawn, its name is on it.
    pub(super) fn new(persona: &Persona, windows: bool) -> Self {
        let tones: &[([u8; 3], [u8; 3])] = if windows {
            &[([0, 78, 152], [0, 40, 90]), ([20, 20, 60], [10, 90, 160])]
        } else {
            &[([44, 62, 80], [20, 28, 40]), ([60, 20, 50], [30, 8, 28]), ([30, 70, 90], [10, 30, 50])]
        };
        let (top, bottom) = persona.seed.pick("vnc/tone", tones).copied().unwrap_or_default();
        let name = if windows { persona.hostname.to_uppercase() } else { persona.hostname.clone() };
        let width = |text: &str, scale: u16| {
            u16::try_from(text.len()).unwrap_or(0).saturating_mul(6).saturating_mul(scale)
        };
        let name: String = name.chars().take(24).collect();
        let heading = SIZE.0.saturating_sub(width(&name, 2)) / 2;
        let label = |text: &str, x, y, scale, colour| Label { text: text.to_owned(), x, y, scale, colour };
        let words =
            if windows { ["User name:", "Password:", "OK"] } else { ["Username", "Password", "Log In"] };
        let [user, password, go] = words;
        let labels = vec![
            label(&name, heading, BOX.1 + 12, 2, WHITE),
            label(user, BOX.0 + 24, BOX.1 + 66, 1, INK),
            label(password, BOX.0 + 24, BOX.1 + 126, 1, INK),
            label(go, BOX.0 + 270, BOX.1 + 203, 1, INK),
        ];
        Self { labels, top, bottom, title: bottom.map(|part| part.saturating_add(50)) }
    }

    fn colour(&self, x: u16, y: u16) -> [u8; 3] {
        for label in &self.labels {
            let (Some(dx), Some(dy)) = (x.checked_sub(label.x), y.checked_sub(label.y)) else { continue };
            let (column, row) = (dx / label.scale, dy / label.scale);
            if row < 7 && column % 6 < 5 {
                let letter = label.text.as_bytes().get(usize::from(column / 6)).copied();
                let shape = letter.and_then(|l| usize::from(l).checked_sub(32)).and_then(|l| FONT.get(l));
                let bits = shape.and_then(|s| s.get(usize::from(column % 6))).copied().unwrap_or(0);
                if bits >> row & 1 == 1 {
                    return label.colour;
                }
            }
        }
        let (Some(dx), Some(dy)) = (x.checked_sub(BOX.0), y.checked_sub(BOX.1)) else { return self.sky(y) };
        if dx >= BOX.2 || dy >= BOX.3 {
            return self.sky(y);
        }
        let field = (24..336).contains(&dx) && ((80..106).contains(&dy) || (140..166).contains(&dy));
        let button = (248..336).contains(&dx) && (194..220).contains(&dy);
        match (dy < 38, field, button) {
            (true, ..) => self.title,
            (_, true, _) => WHITE,
            (.., true) => [205, 205, 202],
            _ => FACE,
        }
    }

    /// The background: bands of 16 lines, from one colour to the other.
    fn sky(&self, y: u16) -> [u8; 3] {
        let (band, bands) = (u32::from(y / 16), u32::from(SIZE.1 / 16));
        let mix = |from: u8, to: u8| {
            let sum = u32::from(from) * (bands.saturating_sub(band)) + u32::from(to) * band;
            u8::try_from(sum / bands).unwrap_or(u8::MAX)
        };
        let [r, g, b] = self.top;
        [mix(r, self.bottom[0]), mix(g, self.bottom[1]), mix(b, self.bottom[2])]
    }

    /// Lines `from..to` of a rectangle as they are.
    pub(super) fn raw(
        &self,
        format: Format,
        area: (u16, u16, u16, u16),
        lines: (u16, u16),
        out: &mut Vec<u8>,
    ) {
        let (left, top, width, _) = area;
        for y in lines.0..lines.1 {
            for x in 0..width {
                format.put(self.colour(left.saturating_add(x), top.saturating_add(y)), out);
            }
        }
    }

    /// One row of a rectangle's tiles in Hextile (RFC 6143 §7.7.4): a tile of one colour is that colour.
    pub(super) fn hextile(&self, format: Format, area: (u16, u16, u16, u16), row: u16, out: &mut Vec<u8>) {
        let (left, top, width, height) = area;
        let first = row.saturating_mul(16);
        let lines = height.saturating_sub(first).min(16);
        let mut x = 0;
        while x < width {
            let across = (width - x).min(16);
            let tile = (left.saturating_add(x), top.saturating_add(first), across, lines);
            let colour = self.colour(tile.0, tile.1);
            let plain = (0..lines).all(|dy| {
                (0..across)
                    .all(|dx| self.colour(tile.0.saturating_add(dx), tile.1.saturating_add(dy)) == colour)
            });
            if plain {
                out.push(2);
                format.put(colour, out);
            } else {
                out.push(1);
                self.raw(format, tile, (0, lines), out);
            }
            x = x.saturating_add(16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing;
    use proptest::prelude::*;

    #[test]
    fn the_screen_names_the_host_and_packs_well() {
        let screen = Screen::new(&testing::persona(&[]), false);
        let area = (0, 0, SIZE.0, SIZE.1);
        let mut packed = Vec::new();
        for row in 0..SIZE.1 / 16 {
            screen.hextile(Format::SERVER, area, row, &mut packed);
        }
        assert!(packed.len() < 300_000, "{}", packed.len());
        let letters = (BOX.1 + 12..BOX.1 + 26).flat_map(|y| (BOX.0..BOX.0 + BOX.2).map(move |x| (x, y)));
        assert!(letters.filter(|(x, y)| screen.colour(*x, *y) == WHITE).count() > 100);
        assert_eq!(Format::parse(&Format::SERVER.bytes()), Some(Format::SERVER));
    }

    proptest! {
        #[test]
        fn any_format_puts_whole_pixels(bytes in proptest::collection::vec(any::<u8>(), 0..20), x: u16, y: u16) {
            let screen = Screen::new(&testing::persona(&[]), true);
            if let Some(format) = Format::parse(&bytes) {
                let mut out = Vec::new();
                screen.raw(format, (x, y, 3, 2), (0, 2), &mut out);
                prop_assert_eq!(out.len(), 6 * usize::from(format.bits / 8));
            }
        }
    }
}
