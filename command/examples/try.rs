fn main() {
    print!("{}", command::manual());
    let t = std::fs::read_to_string("/tmp/bad.conf").unwrap();
    let (c, ps) = command::parse(&t);
    for p in ps {
        println!("{p}   [{}]", p.word);
    }
    println!("{}", c.show());
}
