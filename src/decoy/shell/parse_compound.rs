//! Compound commands: `if`, `for`, `case`.

use super::{MAX_COMMANDS, MAX_WORDS, Parsed, Parser};
use crate::decoy::shell::ast::{Command, SyntaxError};

impl Parser {
    pub(super) fn branches(&mut self) -> Parsed<Command> {
        let mut arms = Vec::new();
        self.at += 2;
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            let body = self.list(&["elif", "else", "fi"])?;
            arms.push((condition, body));
            match self.reserved() {
                Some("elif") => self.at += 4,
                Some("else") => {
                    self.at += 4;
                    let otherwise = Some(self.list(&["fi"])?);
                    self.expect("fi")?;
                    return Ok(Command::If { arms, otherwise });
                }
                _ => {
                    self.expect("fi")?;
                    return Ok(Command::If { arms, otherwise: None });
                }
            }
        }
    }

    pub(super) fn for_loop(&mut self) -> Parsed<Command> {
        self.at += 3;
        self.blanks();
        let name = self.name();
        if name.is_empty() {
            return Err(if self.peek().is_none() { SyntaxError::Incomplete('k') } else { self.unexpected() });
        }
        self.newlines()?;
        let mut words = None;
        if self.reserved() == Some("in") {
            self.at += 2;
            let mut all = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(word) if all.len() < MAX_WORDS => all.push(word),
                    Some(_) => return Err(SyntaxError::TooMuch),
                    None => break,
                }
            }
            words = Some(all);
        }
        self.blanks();
        self.eat(";");
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(Command::For { name, words, body })
    }

    pub(super) fn case(&mut self) -> Parsed<Command> {
        self.at += 4;
        self.blanks();
        let Some(word) = self.word()? else { return Err(self.unexpected()) };
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.reserved() == Some("esac") {
                self.at += 4;
                return Ok(Command::Case { word, arms });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                let Some(pattern) = self.word()? else {
                    return Err(if self.peek().is_none() {
                        SyntaxError::Incomplete('k')
                    } else {
                        self.unexpected()
                    });
                };
                patterns.push(pattern);
                self.blanks();
                if self.eat(")") {
                    break;
                }
                if !self.eat("|") {
                    return Err(self.unexpected());
                }
            }
            let body = self.list(&[";;", "esac"])?;
            arms.push((patterns, body));
            if arms.len() > MAX_COMMANDS {
                return Err(SyntaxError::TooMuch);
            }
            self.blanks();
            self.eat(";;");
        }
    }
}
