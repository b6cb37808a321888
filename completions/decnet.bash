source <(COMPLETE=bash decnet)
