"""The source ContractNLI."""
