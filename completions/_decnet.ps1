$env:COMPLETE = "powershell"; decnet | Out-String | Invoke-Expression; Remove-Item Env:\COMPLETE
