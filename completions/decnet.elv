eval (E:COMPLETE=elvish decnet | slurp)
