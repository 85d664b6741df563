use super::*;

fn at(line: usize, column: usize) -> Option<Position> {
    Some(Position { line, column })
}

#[test]
fn probe() {
    let text = "a:\n  b: |\n\n    x\n     y\n  c: |2-\n      z\n  d: >\n    q\n";
    let root = parse(text).unwrap();
    println!("{root:#?}");
    let text = "a: &x [1, *x]\n";
    println!("{:?}", parse(text));
    println!(
        "{:?}",
        parse("{\n\t\"a\": \"\\uD83D\\uDE00\",\n\t\"b\": {\"c\": [1, 2.5e3, null, true]}}")
    );
    println!(
        "{:?}",
        parse("a: !!str 2.0\nb: !foo x\nc: ! 12\nd: !<tag:yaml.org,2002:str> 1")
    );
    println!("{:?}", parse("a: 1\n---\nb: 2\n"));
    println!("{:?}", parse("a: 1\r\nb:\r\n  c: 2\r\n").unwrap());
    let _ = at;
}
