//! The limits of templates: how deep and long a source may be, and how much work one evaluation may do.
//!
//! [`shape`] runs on the tokens before the parser does, because parser, tree and evaluator recurse: what passes here has a bounded depth.
//! [`Meter`] counts work instead of time, so a limit is hit at the same place on every machine.

use minijinja::machinery::Token;

use super::fault::{Fault, Place, Problem};
use super::syntax::Tokens;

/// Longest source, in bytes.
pub(super) const SOURCE: usize = 256 * 1024;
/// Largest rendered text and largest intermediate text, in bytes.
pub(super) const RESULT: usize = 4 * 1024 * 1024;
/// Brackets and blocks that may be open at once.
pub(super) const NESTING: usize = 32;
/// Lists and maps inside each other that a template may build.
pub(super) const VALUE_DEPTH: usize = 64;
/// Items `range` gives at most.
pub(super) const RANGE: usize = 10_000;
/// Operators, filters and field steps that may wait for each other in one expression: each is one level of the tree.
const CHAIN: usize = 128;
/// `elif` branches of one `if`: each is one level of the tree.
const BRANCHES: usize = 64;

const FUEL: u64 = 100_000;
const GRAINS_PER_FUEL: u64 = 256;
const GRAINS_PER_ELEMENT: u64 = 32;

/// The work one evaluation may still do.
///
/// A unit of fuel pays for one expression or statement, 8 elements walked or 256 bytes copied.
#[derive(Debug)]
pub(super) struct Meter {
    grains: u64,
}

impl Meter {
    pub(super) fn full() -> Meter {
        Meter {
            grains: FUEL * GRAINS_PER_FUEL,
        }
    }

    /// Pays for evaluating one expression or statement.
    pub(super) fn step(&mut self) -> Result<(), Problem> {
        self.spend(GRAINS_PER_FUEL)
    }

    /// Pays for walking `count` elements of lists and maps.
    pub(super) fn elements(&mut self, count: usize) -> Result<(), Problem> {
        self.spend((count as u64).saturating_mul(GRAINS_PER_ELEMENT))
    }

    /// Pays for copying or scanning `count` bytes of text.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), Problem> {
        self.spend(count as u64)
    }

    fn spend(&mut self, grains: u64) -> Result<(), Problem> {
        match self.grains.checked_sub(grains) {
            Some(left) => {
                self.grains = left;
                Ok(())
            }
            None => {
                self.grains = 0;
                Err(Problem::limit(format!(
                    "the template does more work than its limit of {FUEL} units of fuel"
                ))
                .hint("loop over fewer items, or prepare the value in a step of its own"))
            }
        }
    }
}

/// Refuses a text that would be longer than the limit of results.
pub(super) fn fits(bytes: usize) -> Result<(), Problem> {
    if bytes > RESULT {
        return Err(too_large());
    }
    Ok(())
}

/// The problem of a result beyond the limit.
pub(super) fn too_large() -> Problem {
    Problem::limit("the result is larger than its limit of 4 MB")
}

/// Refuses a source that is longer than the limit.
pub(super) fn length(source: &str) -> Result<(), Fault> {
    if source.len() > SOURCE {
        let message = format!("the template has {} bytes, the limit is 256 KB", source.len());
        return Err(Problem::limit(message)
            .hint("pass long text as an input")
            .fault(Place { offset: 0, len: 0 }));
    }
    Ok(())
}

/// Counts how deep the tree of a source will be, from its tokens alone.
///
/// Tokens that do not fit together are left to the parser.
///
/// # Errors
///
/// `template_limit` at the bracket, operator or block that goes too deep.
pub(super) fn shape(tokens: &Tokens<'_>) -> Result<(), Fault> {
    let mut depth = Depth::default();
    let mut tokens = tokens.iter().peekable();
    while let Some((token, place)) = tokens.next() {
        depth.step(token, tokens.peek().map(|(next, _)| next), *place)?;
    }
    Ok(())
}

#[derive(Default)]
struct Depth {
    /// The chains of each open bracket; the last is the innermost.
    chains: Vec<Chain>,
    /// `elif` branches of each open block.
    blocks: Vec<usize>,
    /// Set after `{% set`, until its `=` or its end says which form it is.
    open_set: bool,
}

/// The operators between two commas of one bracket.
///
/// What a closed bracket held counts on in the chain around it, since `(a + b).c` puts a level above the sum.
#[derive(Default, Clone, Copy)]
struct Chain {
    links: usize,
    longest: usize,
}

impl Depth {
    fn step(&mut self, token: &Token<'_>, next: Option<&Token<'_>>, place: Place) -> Result<(), Fault> {
        match token {
            Token::BlockStart => {
                self.chains = vec![Chain::default()];
                if let Some(Token::Ident(keyword)) = next {
                    self.keyword(keyword, place)?;
                }
            }
            Token::VariableStart => self.chains = vec![Chain::default()],
            Token::BlockEnd if std::mem::take(&mut self.open_set) => self.open_block(place)?,
            Token::Assign => self.open_set = false,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.link(place)?;
                self.chains.push(Chain::default());
                if self.chains.len() + self.blocks.len() > NESTING {
                    return Err(too_deep(place));
                }
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                if let Some(closed) = self.chains.pop() {
                    self.lengthen(closed.links.max(closed.longest), place)?;
                }
            }
            Token::Comma | Token::Colon => self.restart(),
            Token::Ident("and" | "or" | "not" | "if" | "else" | "is" | "in") => self.link(place)?,
            Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => self.link(place)?,
            _ => {}
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, place: Place) -> Result<(), Fault> {
        match keyword {
            "set" => self.open_set = true,
            "for" | "if" | "with" | "filter" | "autoescape" => self.open_block(place)?,
            "endfor" | "endif" | "endwith" | "endfilter" | "endset" | "endautoescape" => {
                self.blocks.pop();
            }
            "elif" => {
                if let Some(branches) = self.blocks.last_mut() {
                    *branches += 1;
                    if *branches > BRANCHES {
                        let message = format!("an `if` has more than {BRANCHES} `elif` branches");
                        return Err(Problem::limit(message).hint("use a map of values").fault(place));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open_block(&mut self, place: Place) -> Result<(), Fault> {
        self.blocks.push(0);
        if self.blocks.len() > NESTING {
            return Err(too_deep(place));
        }
        Ok(())
    }

    fn link(&mut self, place: Place) -> Result<(), Fault> {
        self.lengthen(1, place)
    }

    fn lengthen(&mut self, links: usize, place: Place) -> Result<(), Fault> {
        if self.chains.is_empty() {
            self.chains.push(Chain::default());
        }
        if let Some(chain) = self.chains.last_mut() {
            chain.links += links;
        }
        if self.chains.iter().map(|chain| chain.links).sum::<usize>() > CHAIN {
            let message = format!("the expression has more than {CHAIN} operators that wait for each other");
            return Err(Problem::limit(message)
                .hint("split it with `{% set %}`, or use `join`")
                .fault(place));
        }
        Ok(())
    }

    fn restart(&mut self) {
        if let Some(chain) = self.chains.last_mut() {
            chain.longest = chain.longest.max(chain.links);
            chain.links = 0;
        }
    }
}

fn too_deep(place: Place) -> Fault {
    Problem::limit(format!("the nesting is deeper than {NESTING}")).fault(place)
}
