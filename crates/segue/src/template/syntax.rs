//! The tree of a template: our own, owned copy of what MiniJinja parses.
//!
//! MiniJinja reads the language; this module refuses what is not part of it (method calls, `include`, unknown filters) and keeps exact places.
//! MiniJinja's own spans start late for chains such as `a.b.c`, so a place is computed from the parts of an expression.

use minijinja::Value;
use minijinja::machinery::{Span, Token, ast, parse, parse_expr, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::fault::{Fault, Place, Problem};
use super::limit;
use super::operators::Operator;
use super::value;

mod lowering;
mod wording;

use lowering::Lowering;

/// The tokens of a source with their places.
pub(super) type Tokens<'s> = Vec<(Token<'s>, Place)>;

/// Functions an expression may call.
pub(super) const FUNCTIONS: [&str; 3] = ["dict", "namespace", "range"];

/// An expression and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub expression: Expression,
    pub place: Place,
}

#[derive(Debug)]
pub(super) enum Expression {
    Literal(Value),
    /// The text of the block a filter is applied to.
    Captured,
    Name(String),
    Field {
        base: Box<Node>,
        name: String,
        at: Place,
    },
    Item {
        base: Box<Node>,
        key: Box<Node>,
    },
    Slice {
        base: Box<Node>,
        start: Option<Box<Node>>,
        stop: Option<Box<Node>>,
        step: Option<Box<Node>>,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// `a < b < c`: each value is compared with its neighbours.
    Chain {
        first: Box<Node>,
        rest: Vec<(Operator, bool, Node)>,
    },
    Choice {
        condition: Box<Node>,
        yes: Box<Node>,
        no: Option<Box<Node>>,
    },
    Filter {
        name: String,
        at: Place,
        input: Box<Node>,
        arguments: Arguments,
    },
    Test {
        name: String,
        at: Place,
        input: Box<Node>,
        arguments: Arguments,
    },
    Call {
        name: String,
        arguments: Arguments,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub positional: Vec<Node>,
    pub named: Vec<(String, Node)>,
}

impl Arguments {
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.positional
            .iter()
            .chain(self.named.iter().map(|(_, node)| node))
    }
}

#[derive(Debug)]
pub(super) enum Statement {
    Text(String),
    Emit(Node),
    For {
        target: Target,
        over: Node,
        only: Option<Node>,
        body: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    If {
        condition: Node,
        yes: Vec<Statement>,
        no: Vec<Statement>,
    },
    With {
        bindings: Vec<(Target, Node)>,
        body: Vec<Statement>,
    },
    Set {
        target: Target,
        value: Node,
    },
    Capture {
        target: Target,
        filter: Option<Node>,
        body: Vec<Statement>,
    },
    Filtered {
        filter: Node,
        body: Vec<Statement>,
    },
}

/// What a value is bound to.
#[derive(Debug)]
pub(super) enum Target {
    Name(String),
    Field {
        namespace: String,
        field: String,
        place: Place,
    },
    Unpack(Vec<Target>, Place),
}

/// Parses the text of a template.
///
/// # Errors
///
/// The one syntax fault or limit, or all names and forms that are not part of the language.
pub(super) fn template(source: &str) -> Result<Vec<Statement>, Vec<Fault>> {
    let config = config();
    check_shape(source, false, &config)?;
    let root =
        parse(source, "template", config).map_err(|error| vec![wording::fault(&error, source, false)])?;
    let ast::Stmt::Template(root) = root else {
        return Ok(Vec::new());
    };
    let mut lowering = Lowering::default();
    let statements = lowering.statements(&root.children);
    lowering.finish(statements)
}

/// Parses the text of a bare expression.
///
/// # Errors
///
/// As [`template`], and `braces_in_expression` for `{{`.
pub(super) fn expression(source: &str) -> Result<Node, Vec<Fault>> {
    let config = config();
    check_shape(source, true, &config)?;
    let root = parse_expr(source).map_err(|error| vec![wording::fault(&error, source, true)])?;
    let mut lowering = Lowering::default();
    let node = lowering.node(&root);
    lowering.finish(node)
}

/// MiniJinja's syntax, except that a template keeps the newline at its end: the text is what was written.
fn config() -> SyntaxConfig {
    SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .build()
        .expect("the default delimiters are valid")
}

fn check_shape(source: &str, bare: bool, config: &SyntaxConfig) -> Result<(), Vec<Fault>> {
    limit::length(source).map_err(|fault| vec![fault])?;
    if bare && source.trim().is_empty() {
        return Err(vec![
            Problem::new("template_syntax", "the expression is empty").fault(Place::between(0, source.len())),
        ]);
    }
    // A token the lexer refuses ends the list; the parser then reports it in its own words.
    let tokens: Tokens<'_> = tokenize(source, bare, config.clone())
        .map_while(Result::ok)
        .map(|(token, span)| (token, place(span)))
        .collect();
    if bare {
        braces(source, &tokens).map_err(|fault| vec![fault])?;
    }
    limit::shape(&tokens).map_err(|fault| vec![fault])?;
    match tokens.iter().find(|(token, _)| matches!(token, Token::Int128(_))) {
        Some((_, place)) => {
            let digits = &source[place.offset..place.end()];
            Err(vec![
                Problem::new(
                    "number_range",
                    format!("the number {} does not fit 64 bits", value::cut(digits)),
                )
                .fault(*place),
            ])
        }
        None => Ok(()),
    }
}

/// Two opening braces next to each other: no expression can have them, a template begins with them.
fn braces(source: &str, tokens: &Tokens<'_>) -> Result<(), Fault> {
    let doubled = tokens.windows(2).find_map(|pair| match pair {
        [(Token::BraceOpen, first), (Token::BraceOpen, second)] if first.end() == second.offset => {
            Some(first.to(*second))
        }
        _ => None,
    });
    let Some(place) = doubled else { return Ok(()) };
    let corrected = source.replace("{{", " ").replace("}}", " ");
    let corrected = corrected.split_whitespace().collect::<Vec<_>>().join(" ");
    let problem = Problem::new("braces_in_expression", "a bare expression has no braces")
        .hint(format!("write `{}`", cut_to(&corrected, 80)));
    Err(Fault {
        suggestion: Some(corrected),
        ..problem.fault(place)
    })
}

fn place(span: Span) -> Place {
    Place::between(span.start_offset as usize, span.end_offset as usize)
}

fn cut_to(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
