//! Tokens → expression, by recursive descent.
//!
//! One function a line of the grammar, one token of lookahead. Only brackets recurse, and they are counted.

use std::collections::BTreeSet;

use crate::error::{Problem, SelectorError};
use crate::expression::Expression;
use crate::token::{Kind, Token, Tokens};
use crate::{MAX_DEPTH, MAX_LABEL};

mod advice;
#[cfg(test)]
mod tests;

const CONDITION: &str = "a label, `has(…)`, `all()`, `global()`, `!` or `(`";
const OPERATOR: &str = "`==`, `!=`, `contains`, `starts with`, `ends with`, `in` or `not in`";
const VALUE: &str = "a value in quotes";

/// The expression that the whole text is.
pub(crate) fn parse(text: &str) -> Result<Expression, SelectorError> {
    let mut tokens = Tokens::new(text);
    let next = tokens.next()?;
    if next.kind == Kind::End {
        return Ok(Expression::All);
    }
    let mut parser = Parser { tokens, next, depth: 0 };
    let expression = parser.disjunction()?;
    if parser.next.kind == Kind::End {
        return Ok(expression);
    }
    let advice = advice::for_connective(parser.next);
    Err(parser.unexpected("`&&`, `||` or the end", advice))
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    next: Token<'a>,
    /// How many brackets are open.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn disjunction(&mut self) -> Result<Expression, SelectorError> {
        let mut operands = vec![self.conjunction()?];
        while self.take("||")? {
            operands.push(self.conjunction()?);
        }
        Ok(Expression::disjunction(operands))
    }

    fn conjunction(&mut self) -> Result<Expression, SelectorError> {
        let mut operands = vec![self.negation()?];
        while self.take("&&")? {
            operands.push(self.negation()?);
        }
        Ok(Expression::conjunction(operands))
    }

    fn negation(&mut self) -> Result<Expression, SelectorError> {
        let mut negated = false;
        while self.take("!")? {
            negated = !negated;
        }
        let operand = self.primary()?;
        Ok(if negated { Expression::negation(operand) } else { operand })
    }

    fn primary(&mut self) -> Result<Expression, SelectorError> {
        if self.next.text == "(" {
            return self.brackets();
        }
        let label = self.label(CONDITION)?;
        match (label.text, self.next.text) {
            ("all", "(") => self.call(|_| Ok(Expression::All)),
            ("global", "(") => self.call(|_| Ok(Expression::Global)),
            ("has", "(") => self.call(|parser| Ok(Expression::Has(parser.label("a label")?.text.to_owned()))),
            _ => self.comparison(label),
        }
    }

    fn brackets(&mut self) -> Result<Expression, SelectorError> {
        if self.depth == MAX_DEPTH {
            return Err(self.tokens.error(self.next.start, Problem::TooDeep));
        }
        self.advance()?;
        self.depth += 1;
        let inner = self.disjunction()?;
        self.depth -= 1;
        if !self.take(")")? {
            return Err(self.unexpected("`&&`, `||` or `)`", advice::for_connective(self.next)));
        }
        Ok(inner)
    }

    /// The arguments of a function and the brackets around them.
    fn call(
        &mut self,
        arguments: impl FnOnce(&mut Self) -> Result<Expression, SelectorError>,
    ) -> Result<Expression, SelectorError> {
        self.expect("(", "`(`")?;
        let expression = arguments(self)?;
        self.expect(")", "`)`")?;
        Ok(expression)
    }

    fn comparison(&mut self, label: Token<'a>) -> Result<Expression, SelectorError> {
        let key = label.text.to_owned();
        let operator = self.next;
        let advice = advice::for_operator(label, operator);
        match operator.text {
            "==" | "!=" | "contains" | "startswith" | "endswith" | "in" | "notin" => self.advance()?,
            "starts" | "ends" => {
                self.advance()?;
                self.expect("with", "`with`")?;
            }
            "not" => {
                self.advance()?;
                self.expect("in", "`in`")?;
            }
            _ => return Err(self.unexpected(OPERATOR, advice)),
        }
        Ok(match operator.text {
            "==" => Expression::Equal { key, value: self.value()? },
            "!=" => Expression::NotEqual { key, value: self.value()? },
            "contains" => Expression::Contains { key, value: self.value()? },
            "starts" | "startswith" => Expression::StartsWith { key, value: self.value()? },
            "ends" | "endswith" => Expression::EndsWith { key, value: self.value()? },
            "in" => Expression::In { key, values: self.set()? },
            _ => Expression::NotIn { key, values: self.set()? },
        })
    }

    fn set(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let mut values = BTreeSet::new();
        self.expect("{", "`{`")?;
        while !self.take("}")? {
            if self.next.kind != Kind::Value {
                return Err(self.unexpected("a value in quotes or `}`", advice::for_value(self.next)));
            }
            values.insert(self.value()?);
            if self.next.text != "}" {
                self.expect(",", "`,` or `}`")?;
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        let token = self.next;
        if token.kind != Kind::Value {
            return Err(self.unexpected(VALUE, advice::for_value(token)));
        }
        self.advance()?;
        Ok(unquoted(token.text).to_owned())
    }

    fn label(&mut self, expected: &'static str) -> Result<Token<'a>, SelectorError> {
        let token = self.next;
        if token.kind != Kind::Word {
            return Err(self.unexpected(expected, advice::for_label(token)));
        }
        let length = token.text.len();
        if length > MAX_LABEL {
            return Err(self.tokens.error(token.start, Problem::LabelTooLong { length }));
        }
        self.advance()?;
        Ok(token)
    }

    fn expect(&mut self, text: &str, expected: &'static str) -> Result<(), SelectorError> {
        if self.take(text)? { Ok(()) } else { Err(self.unexpected(expected, None)) }
    }

    /// Whether the next token is this; then it is taken.
    fn take(&mut self, text: &str) -> Result<bool, SelectorError> {
        let found = self.next.text == text;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn advance(&mut self) -> Result<(), SelectorError> {
        self.next = self.tokens.next()?;
        Ok(())
    }

    fn unexpected(&self, expected: &'static str, advice: Option<String>) -> SelectorError {
        let found = advice::shown(self.next);
        self.tokens.error(self.next.start, Problem::Unexpected { found, expected, advice })
    }
}

/// A value's token without its quotes.
fn unquoted(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}
