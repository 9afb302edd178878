# SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/) of what infra/sbom.sh gives: $program, $version, $created, $digest; $packages and
# $ffmpeg, whose lines are separated by tabs. Package URLs: https://github.com/package-url/purl-spec (types deb and generic).

def rows: split("\n") | map(select(length > 0) | split("\t"));
def id: "SPDXRef-" + gsub("[^A-Za-z0-9.-]"; "-");
def purl($name; $version; $qualifiers):
    {referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
     referenceLocator: "pkg:deb/debian/\($name | @uri)@\($version | @uri)?\($qualifiers)&distro=bookworm"};
# 7:5.1.8-0+deb12u1 is Debian's; 5.1.8 is what FFmpeg's own advisories name.
def upstream: sub("^[0-9]+:"; "") | sub("-[^-]*$"; "");
def package($id; $name; $version; $more):
    {SPDXID: $id, name: $name, versionInfo: $version, downloadLocation: "NOASSERTION", filesAnalyzed: false,
     licenseConcluded: "NOASSERTION", licenseDeclared: "NOASSERTION", copyrightText: "NOASSERTION"} + $more;

def debian: . as [$name, $version, $architecture, $source, $source_version]
    | package("deb-\($name)-\($architecture)" | id; $name; $version;
        {supplier: "Organization: Debian", primaryPackagePurpose: "LIBRARY",
         sourceInfo: "Debian source package \($source) \($source_version)",
         externalRefs: [purl($name; $version; "arch=\($architecture)")]});
def linked: . as [$name, $version, $archive]
    | package("linked-\($name)" | id; $name; $version;
        {supplier: "Organization: Debian", primaryPackagePurpose: "LIBRARY",
         sourceInfo: "Debian source package \($name) \($version) from \($archive)",
         comment: "Linked into \($program); Debian's security level: \($version), from \($archive)",
         externalRefs: [purl($name; $version; "arch=source"),
             {referenceCategory: "SECURITY", referenceType: "cpe23Type",
              referenceLocator: "cpe:2.3:a:ffmpeg:\($name):\($version | upstream):*:*:*:*:*:*:*"}]});

($program | id) as $subject
| ($packages | rows | map(debian)) as $debian
| ($ffmpeg | rows | map(linked)) as $linked
| {spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "\($program)-\($version)",
   documentNamespace: "https://spdx.org/spdxdocs/\($program)-\($version)-\($digest)",
   creationInfo: {created: $created, creators: ["Tool: mediarun-infra/sbom.sh"]},
   packages: ([package($subject; $program; $version; {primaryPackagePurpose: "CONTAINER"})] + $debian + $linked),
   relationships: ([{spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: $subject}]
       + ($debian | map({spdxElementId: $subject, relationshipType: "CONTAINS", relatedSpdxElement: .SPDXID}))
       + ($linked | map({spdxElementId: $subject, relationshipType: "STATIC_LINK", relatedSpdxElement: .SPDXID})))}
