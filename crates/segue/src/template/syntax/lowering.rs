//! Copies MiniJinja's tree into ours and refuses what is not part of the language.

use minijinja::machinery::ast;

use super::super::fault::{Fault, Place, Problem};
use super::super::filters;
use super::super::operators::Operator;
use super::super::suggest::suggest;
use super::super::value::cut;
use super::{Arguments, Expression, FUNCTIONS, Node, Statement, Target, place};

/// Copies MiniJinja's tree into ours; its recursion is bounded by [`limit::shape`].
#[derive(Default)]
pub(super) struct Lowering {
    faults: Vec<Fault>,
}

impl Lowering {
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort_by_key(|fault| fault.offset);
        Err(self.faults)
    }

    pub(super) fn statements(&mut self, statements: &[ast::Stmt<'_>]) -> Vec<Statement> {
        statements
            .iter()
            .filter_map(|statement| self.statement(statement))
            .collect()
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Option<Statement> {
        Some(match statement {
            ast::Stmt::EmitRaw(raw) => Statement::Text(raw.raw.to_owned()),
            ast::Stmt::EmitExpr(emit) => Statement::Emit(self.node(&emit.expr)),
            ast::Stmt::ForLoop(each) => {
                if each.recursive {
                    self.refuse("recursive loops are not part of the language", place(each.span()));
                }
                Statement::For {
                    target: self.target(&each.target)?,
                    over: self.node(&each.iter),
                    only: each.filter_expr.as_ref().map(|only| self.node(only)),
                    body: self.statements(&each.body),
                    otherwise: self.statements(&each.else_body),
                }
            }
            ast::Stmt::IfCond(branch) => Statement::If {
                condition: self.node(&branch.expr),
                yes: self.statements(&branch.true_body),
                no: self.statements(&branch.false_body),
            },
            ast::Stmt::WithBlock(with) => {
                let mut bindings = Vec::new();
                for (target, value) in &with.assignments {
                    bindings.push((self.target(target)?, self.node(value)));
                }
                Statement::With {
                    bindings,
                    body: self.statements(&with.body),
                }
            }
            ast::Stmt::Set(set) => Statement::Set {
                target: self.target(&set.target)?,
                value: self.assigned(&set.expr),
            },
            ast::Stmt::SetBlock(set) => Statement::Capture {
                target: self.target(&set.target)?,
                filter: set.filter.as_ref().map(|filter| self.node(filter)),
                body: self.statements(&set.body),
            },
            ast::Stmt::FilterBlock(block) => Statement::Filtered {
                filter: self.node(&block.filter),
                body: self.statements(&block.body),
            },
            ast::Stmt::AutoEscape(escape) => {
                self.refuse("`autoescape` is not part of the language", place(escape.span()));
                return None;
            }
            ast::Stmt::Do(call) => {
                self.refuse("`do` is not part of the language", place(call.span()));
                return None;
            }
            ast::Stmt::Template(_) => return None,
        })
    }

    fn target(&mut self, target: &ast::Expr<'_>) -> Option<Target> {
        match target {
            ast::Expr::Var(name) => Some(Target::Name(name.id.to_owned())),
            ast::Expr::GetAttr(field) => match &field.expr {
                ast::Expr::Var(name) => Some(Target::Field {
                    namespace: name.id.to_owned(),
                    field: field.name.to_owned(),
                    place: place(field.span()),
                }),
                _ => {
                    self.refuse("a namespace has one level of fields", place(field.span()));
                    None
                }
            },
            ast::Expr::List(list) => {
                let targets: Vec<Target> = list.items.iter().filter_map(|item| self.target(item)).collect();
                (targets.len() == list.items.len()).then(|| Target::Unpack(targets, place(list.span())))
            }
            other => {
                self.refuse("a value can only be bound to a name", place(other.span()));
                None
            }
        }
    }

    /// The value of a `set`: the one place where a namespace may be made.
    fn assigned(&mut self, expr: &ast::Expr<'_>) -> Node {
        match expr {
            ast::Expr::Call(call) => match &call.expr {
                ast::Expr::Var(name) if name.id == "namespace" => {
                    let arguments = self.arguments(&call.args, place(call.span()));
                    let end = place(call.span()).end();
                    Node {
                        expression: Expression::Call {
                            name: "namespace".to_owned(),
                            arguments,
                        },
                        place: Place::between(place(name.span()).offset, end),
                    }
                }
                _ => self.node(expr),
            },
            _ => self.node(expr),
        }
    }

    fn boxed(&mut self, expr: &ast::Expr<'_>) -> Box<Node> {
        Box::new(self.node(expr))
    }

    fn optional(&mut self, expr: Option<&ast::Expr<'_>>) -> Option<Box<Node>> {
        expr.map(|expr| self.boxed(expr))
    }

    pub(super) fn node(&mut self, expr: &ast::Expr<'_>) -> Node {
        let whole = place(expr.span());
        let (expression, start) = match expr {
            ast::Expr::Const(literal) => (Expression::Literal(literal.value.clone()), whole.offset),
            ast::Expr::Var(name) => (Expression::Name(name.id.to_owned()), whole.offset),
            ast::Expr::GetAttr(field) => {
                let base = self.boxed(&field.expr);
                let start = base.place.offset;
                let at = Place::between(whole.end().saturating_sub(field.name.len()), whole.end());
                (
                    Expression::Field {
                        base,
                        name: field.name.to_owned(),
                        at,
                    },
                    start,
                )
            }
            ast::Expr::GetItem(item) => {
                let base = self.boxed(&item.expr);
                let start = base.place.offset;
                (
                    Expression::Item {
                        base,
                        key: self.boxed(&item.subscript_expr),
                    },
                    start,
                )
            }
            ast::Expr::Slice(slice) => {
                let base = self.boxed(&slice.expr);
                let offset = base.place.offset;
                let start = self.optional(slice.start.as_ref());
                let stop = self.optional(slice.stop.as_ref());
                let step = self.optional(slice.step.as_ref());
                (
                    Expression::Slice {
                        base,
                        start,
                        stop,
                        step,
                    },
                    offset,
                )
            }
            ast::Expr::UnaryOp(unary) => {
                let inner = self.boxed(&unary.expr);
                let start = whole.offset.min(inner.place.offset);
                match unary.op {
                    ast::UnaryOpKind::Not => (Expression::Not(inner), start),
                    ast::UnaryOpKind::Neg => (Expression::Negate(inner), start),
                }
            }
            ast::Expr::BinOp(binary) => self.binary(binary),
            ast::Expr::Compare(compare) => {
                let first = self.boxed(&compare.expr);
                let start = first.place.offset;
                let rest = compare.ops.iter().map(|link| {
                    let (operator, negated) = comparison(link.op);
                    (operator, negated, self.node(&link.expr))
                });
                (
                    Expression::Chain {
                        rest: rest.collect(),
                        first,
                    },
                    start,
                )
            }
            ast::Expr::IfExpr(choice) => {
                let yes = self.boxed(&choice.true_expr);
                let condition = self.boxed(&choice.test_expr);
                let no = self.optional(choice.false_expr.as_ref());
                let start = yes.place.offset;
                (Expression::Choice { condition, yes, no }, start)
            }
            ast::Expr::Filter(filter) => self.filter(filter, whole),
            ast::Expr::Test(test) => {
                let input = self.boxed(&test.expr);
                let at = Place {
                    offset: whole.offset,
                    len: test.name.len(),
                };
                self.known("test", test.name, filters::TESTS, at);
                let start = input.place.offset;
                let arguments = self.arguments(&test.args, at);
                (
                    Expression::Test {
                        name: test.name.to_owned(),
                        at,
                        input,
                        arguments,
                    },
                    start,
                )
            }
            ast::Expr::Call(call) => self.call(call, whole),
            ast::Expr::List(list) => (
                Expression::List(list.items.iter().map(|item| self.node(item)).collect()),
                whole.offset,
            ),
            ast::Expr::Tuple(tuple) => (
                Expression::List(tuple.items.iter().map(|item| self.node(item)).collect()),
                whole.offset,
            ),
            ast::Expr::Map(map) => {
                let entries = map
                    .keys
                    .iter()
                    .zip(&map.values)
                    .map(|(key, value)| (self.node(key), self.node(value)));
                (Expression::Map(entries.collect()), whole.offset)
            }
        };
        Node {
            expression,
            place: Place::between(start, whole.end()),
        }
    }

    fn binary(&mut self, binary: &ast::BinOp<'_>) -> (Expression, usize) {
        let left = self.boxed(&binary.left);
        let right = self.boxed(&binary.right);
        let start = left.place.offset;
        let operator = match binary.op {
            ast::BinOpKind::ScAnd => return (Expression::And(left, right), start),
            ast::BinOpKind::ScOr => return (Expression::Or(left, right), start),
            ast::BinOpKind::Eq => Operator::Equal,
            ast::BinOpKind::Ne => Operator::Unequal,
            ast::BinOpKind::Lt => Operator::Less,
            ast::BinOpKind::Lte => Operator::AtMost,
            ast::BinOpKind::Gt => Operator::Greater,
            ast::BinOpKind::Gte => Operator::AtLeast,
            ast::BinOpKind::Add => Operator::Add,
            ast::BinOpKind::Sub => Operator::Subtract,
            ast::BinOpKind::Mul => Operator::Multiply,
            ast::BinOpKind::Div => Operator::Divide,
            ast::BinOpKind::FloorDiv => Operator::FloorDivide,
            ast::BinOpKind::Rem => Operator::Remainder,
            ast::BinOpKind::Pow => Operator::Power,
            ast::BinOpKind::Concat => Operator::Join,
            ast::BinOpKind::In => Operator::In,
        };
        (
            Expression::Binary {
                operator,
                left,
                right,
            },
            start,
        )
    }

    fn filter(&mut self, filter: &ast::Filter<'_>, whole: Place) -> (Expression, usize) {
        let at = Place {
            offset: whole.offset,
            len: filter.name.len(),
        };
        let input = match &filter.expr {
            Some(input) => self.node(input),
            None => Node {
                expression: Expression::Captured,
                place: at,
            },
        };
        self.known("filter", filter.name, &filters::names(), at);
        let arguments = self.arguments(&filter.args, at);
        self.named_filter(filter.name, &arguments);
        let start = input.place.offset;
        (
            Expression::Filter {
                name: filter.name.to_owned(),
                at,
                input: Box::new(input),
                arguments,
            },
            start,
        )
    }

    /// `map`, `select` and their like name another filter or test: as written text, since a value must not choose what runs.
    fn named_filter(&mut self, filter: &str, arguments: &Arguments) {
        let nth = match filter {
            "map" | "select" | "reject" => 0,
            "selectattr" | "rejectattr" => 1,
            _ => return,
        };
        let Some(named) = arguments.positional.get(nth) else {
            return;
        };
        let name = match &named.expression {
            Expression::Literal(name) => name.as_str(),
            _ => None,
        };
        match (name, filter) {
            (None, _) => self.refuse(
                &format!("`{filter}` needs a name written as text here"),
                named.place,
            ),
            (Some("map" | "select" | "reject" | "selectattr" | "rejectattr"), "map") => {
                self.refuse(
                    "`map` cannot apply a filter that goes through items itself",
                    named.place,
                );
            }
            (Some(name), "map") => self.known("filter", name, &filters::names(), named.place),
            (Some(name), _) => self.known("test", name, filters::TESTS, named.place),
        }
    }

    fn call(&mut self, call: &ast::Call<'_>, whole: Place) -> (Expression, usize) {
        let arguments = self.arguments(&call.args, whole);
        match &call.expr {
            ast::Expr::Var(name) => {
                let at = place(name.span());
                if name.id == "namespace" {
                    self.faults.push(
                        Problem::new("template_syntax", "`namespace` can only be the value of a `set`")
                            .hint("write `{% set ns = namespace(count=0) %}`")
                            .fault(at),
                    );
                } else {
                    self.known("function", name.id, &FUNCTIONS, at);
                }
                (
                    Expression::Call {
                        name: name.id.to_owned(),
                        arguments,
                    },
                    at.offset,
                )
            }
            ast::Expr::GetAttr(method) => {
                let base = self.node(&method.expr);
                let end = place(method.span()).end();
                let at = Place::between(end.saturating_sub(method.name.len()), end);
                let problem = Problem::new(
                    "template_syntax",
                    format!(
                        "`{}` is a method call, and values have no methods",
                        cut(method.name)
                    ),
                );
                let problem = match filters::names().contains(&method.name) {
                    true => problem.hint(format!("use the filter `| {}`", method.name)),
                    false => problem.hint("use a filter"),
                };
                self.faults.push(problem.fault(at));
                (Expression::Captured, base.place.offset)
            }
            other => {
                let base = self.node(other);
                self.refuse("only a function can be called", base.place);
                (Expression::Captured, base.place.offset)
            }
        }
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>], at: Place) -> Arguments {
        let mut lowered = Arguments::default();
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(value) => lowered.positional.push(self.node(value)),
                ast::CallArg::Kwarg(name, value) => {
                    lowered.named.push(((*name).to_owned(), self.node(value)));
                }
                ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
                    self.refuse("arguments cannot be unpacked with `*`", at);
                }
            }
        }
        lowered
    }

    fn known(&mut self, what: &str, name: &str, known: &[&str], at: Place) {
        if !known.contains(&name) {
            let (hint, suggestion) = suggest(name, known);
            let problem = Problem::new("unknown_filter", format!("{what} `{}` does not exist", cut(name)));
            self.faults.push(Fault {
                hint,
                suggestion,
                ..problem.fault(at)
            });
        }
    }

    fn refuse(&mut self, message: &str, at: Place) {
        self.faults
            .push(Problem::new("template_syntax", message).fault(at));
    }
}

fn comparison(op: ast::CompareOpKind) -> (Operator, bool) {
    match op {
        ast::CompareOpKind::Eq => (Operator::Equal, false),
        ast::CompareOpKind::Ne => (Operator::Unequal, false),
        ast::CompareOpKind::Lt => (Operator::Less, false),
        ast::CompareOpKind::Lte => (Operator::AtMost, false),
        ast::CompareOpKind::Gt => (Operator::Greater, false),
        ast::CompareOpKind::Gte => (Operator::AtLeast, false),
        ast::CompareOpKind::In => (Operator::In, false),
        ast::CompareOpKind::NotIn => (Operator::In, true),
    }
}
