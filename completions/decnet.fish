COMPLETE=fish decnet | source
