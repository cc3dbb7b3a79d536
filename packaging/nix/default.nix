# SPDX-License-Identifier: Apache-2.0
# For nixpkgs: pkgs.callPackage ./packaging/nix { }. What goes where stands in packaging/install.py.
{ lib, python3 }:

let
  project = (builtins.fromTOML (builtins.readFile ../../pyproject.toml)).project;
in
python3.pkgs.buildPythonApplication {
  pname = project.name;
  version = project.version;
  format = "other";

  src = lib.cleanSource ../..;
  outputs = [ "out" "doc" ];

  propagatedBuildInputs = with python3.pkgs; [ msgspec ];
  passthru.optional-dependencies = with python3.pkgs; {
    crypto = [ cryptography ];
  };

  installPhase = ''
    runHook preInstall
    places="PREFIX=$out LIBRARYDIR=$out/${python3.sitePackages} BYTECODE=no"
    python -B packaging/install.py install livefw $places
    python -B packaging/install.py install livefw-doc $places DOCDIR=$doc/share/doc/livefw
    runHook postInstall
  '';

  doCheck = false;

  meta = {
    description = project.description;
    license = lib.licenses.asl20;
    mainProgram = "livefw";
    platforms = lib.platforms.linux;
  };
}
