//! DATA and BDAT: messages come in, and end as an event.

use std::io;

use super::say::Say;
use super::talk::{Flow, Talk};
use super::{Mta, exim, id, postfix};
use crate::decoy::mail::intake::Intake;

/// Bytes of one line of a message that are taken at once.
const LINE_MAX: usize = 4096;
/// Bytes of one chunk that are taken at once.
const PIECE: usize = 4096;

impl Talk<'_> {
    fn size_max(&self) -> u64 {
        if self.smtp.mta == Mta::Exim { exim::SIZE_MAX } else { postfix::SIZE_MAX }
    }

    pub(super) async fn data(&mut self, raw: &[u8]) -> io::Result<Flow> {
        let refused = if self.chunks.is_some() {
            Some(Say::DataAfterBdat)
        } else if self.recipients.is_empty() {
            Some(if self.sender.is_some() { Say::NoValidRcpt } else { Say::NeedRcpt })
        } else {
            None
        };
        let mut text = self.say(refused.unwrap_or(Say::DataGo));
        if let (Mta::Exim, Some(why), Some(_)) = (self.smtp.mta, &self.refusal, refused) {
            let why = why.trim_end();
            text = format!(
                "503-All RCPT commands were rejected with this error:\r\n503-{why}\r\n503 Valid RCPT command must precede DATA\r\n"
            );
        }
        self.note("data", raw, &text);
        if refused.is_some() {
            return self.reply(text).await;
        }
        self.send(&text).await?;
        let mut intake = Intake::new();
        let mut start = true;
        loop {
            let line = match self.session.line(&mut self.pending, LINE_MAX).await {
                Ok(Some(line)) => line,
                // What came before the line broke is worth keeping.
                end => {
                    self.store(intake, "");
                    return end.map(|_| Flow::Close);
                }
            };
            if start && matches!(line.as_slice(), b".\r\n" | b".\n") {
                break;
            }
            let text = if start { line.strip_prefix(b".").unwrap_or(&line) } else { &line };
            start = line.ends_with(b"\n");
            let line_end = text.len().saturating_sub(1);
            if start && !text.ends_with(b"\r\n") {
                intake.push(text.get(..line_end).unwrap_or_default());
                intake.push(b"\r\n");
            } else {
                intake.push(text);
            }
        }
        let big = intake.size() > self.size_max();
        let id = id::new(self.smtp);
        let text = self.say(if big { Say::DataTooBig } else { Say::Queued(&id) });
        self.store(intake, if big { "" } else { &id });
        self.clear();
        self.reply(text).await
    }

    fn store(&self, intake: Intake, id: &str) {
        intake.store(&self.session.record, id, self.sender.as_deref().unwrap_or_default(), &self.recipients);
    }

    pub(super) async fn bdat(&mut self, raw: &[u8], argument: &[u8]) -> io::Result<Flow> {
        let words: Vec<&[u8]> = argument.split(|b| *b == b' ').filter(|w| !w.is_empty()).collect();
        let count = words.first().and_then(|w| std::str::from_utf8(w).ok()?.parse::<u64>().ok());
        let last = words.get(1).is_some_and(|w| w.eq_ignore_ascii_case(b"LAST"));
        let Some(count) = count.filter(|_| words.len() <= 1 + usize::from(last)) else {
            let text = self.say(Say::BdatSyntax);
            self.note("bdat", raw, &text);
            return self.reply(text).await;
        };
        let fresh = self.chunks.is_none();
        let mut chunks =
            self.chunks.take().unwrap_or_else(|| (!self.recipients.is_empty()).then(Intake::new));
        if !self.take(count, &mut chunks).await? {
            if let Some(intake) = chunks {
                self.store(intake, "");
            }
            return Ok(Flow::Close);
        }
        let Some(intake) = chunks else {
            self.chunks = (!last && self.smtp.mta != Mta::Exim).then_some(None);
            if self.smtp.mta == Mta::Exim {
                let text = "503 valid RCPT command must precede BDAT\r\n".to_owned();
                self.note("bdat", raw, &text);
                return self.reply(text).await;
            }
            let what = match (fresh, self.sender.is_some()) {
                (true, true) => Say::NoValidRcpt,
                (true, false) => Say::NeedRcpt,
                _ => Say::BdatDiscarded(count),
            };
            let text = self.say(what);
            self.note("bdat", raw, &text);
            return self.reply(text).await;
        };
        let total = intake.size();
        if total > self.size_max() {
            let text = self.say(Say::DataTooBig);
            self.note("bdat", raw, &text);
            self.store(intake, "");
            self.clear();
            self.chunks = (!last).then_some(None);
            return self.reply(text).await;
        }
        if !last {
            self.chunks = Some(Some(intake));
            let text = self.say(Say::BdatOk(count));
            self.note("bdat", raw, &text);
            return self.reply(text).await;
        }
        let id = id::new(self.smtp);
        // Exim counts the end of the head as well.
        let whole = intake.normal_size().saturating_add(u64::from(self.smtp.mta == Mta::Exim));
        let text = self.say(Say::BdatQueued(count, whole, &id));
        self.note("bdat", raw, &text);
        self.store(intake, &id);
        self.clear();
        self.reply(text).await
    }

    /// Reads a chunk; false when the client was gone before its end.
    async fn take(&mut self, count: u64, chunks: &mut Option<Intake>) -> io::Result<bool> {
        let mut left = count;
        let early = self.pending.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let piece: Vec<u8> = self.pending.drain(..early).collect();
        left = left.saturating_sub(early as u64);
        if let Some(intake) = chunks {
            intake.push(&piece);
        }
        let mut buffer = [0u8; PIECE];
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let Some(window) = buffer.get_mut(..room) else { return Ok(false) };
            let got = self.session.read(window).await?;
            if got == 0 {
                return Ok(false);
            }
            left = left.saturating_sub(got as u64);
            if let Some(intake) = chunks {
                intake.push(window.get(..got).unwrap_or_default());
            }
        }
        Ok(true)
    }
}
