//! A line as the parser understood it.

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Typed without quotes: may be a pattern.
    Plain(String),
    /// Typed in quotes or escaped.
    Quoted(String),
    /// `$name`, `${name}` with an optional operator and its word.
    Variable { name: String, operator: String, word: Word, quoted: bool },
    /// `$(…)` or backticks: the text inside.
    Command { source: String, quoted: bool },
    /// `$((…))`: the text inside.
    Arithmetic { source: String, quoted: bool },
}

/// One word.
pub(super) type Word = Vec<Part>;

/// What a redirection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// `<`
    In,
    /// `>` and `>|`
    Out,
    /// `>>`
    Append,
    /// `>&`, `<&`
    Duplicate,
    /// `&>`, `>&file`: both outputs.
    Both,
    /// `<<`: the word is the number of the text in [`Script::here`].
    Here(usize),
    /// `<<<`
    HereString,
}

/// One redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) fd: Option<u8>,
    pub(super) direction: Direction,
    pub(super) word: Word,
}

/// A command of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Simple {
        assigns: Vec<(String, Word)>,
        words: Vec<Word>,
    },
    /// `name=(word …)`.
    Array {
        name: String,
        words: Vec<Word>,
    },
    Group(List),
    Subshell(List),
    If {
        arms: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    Loop {
        until: bool,
        condition: List,
        body: List,
    },
    Case {
        word: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    Function {
        name: String,
        body: Box<Node>,
    },
}

/// A command and its redirections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) command: Command,
    pub(super) redirects: Vec<Redirect>,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) negate: bool,
    pub(super) nodes: Vec<Node>,
}

/// How a pipeline hangs on the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// It is the first.
    First,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) pipelines: Vec<(Join, Pipeline)>,
    pub(super) background: bool,
}

/// Items one after the other.
pub(super) type List = Vec<Item>;

/// A whole line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) list: List,
    /// Texts of `<<`.
    pub(super) here: Vec<Word>,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyntaxError {
    /// It goes on in the next line.
    Incomplete(char),
    /// Something that cannot stand there.
    Unexpected(String),
    /// More of something than we take.
    TooMuch,
}
